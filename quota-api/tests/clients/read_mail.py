"""Prints the mails of a Maildir as JSON, read by Python's own parser: python read_mail.py FOLDER"""

import json
import mailbox
import sys
from email.header import decode_header, make_header


def plain(mail):
    return {
        "from": str(make_header(decode_header(mail["From"]))),
        "to": str(make_header(decode_header(mail["To"]))),
        "subject": str(make_header(decode_header(mail["Subject"]))),
        "type": mail.get_content_type(),
        "body": mail.get_payload(decode=True).decode(mail.get_content_charset()),
    }


print(json.dumps([plain(mail) for mail in mailbox.Maildir(sys.argv[1], create=False)]))
