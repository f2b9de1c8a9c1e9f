# Applications, reviews, awards.
choose = Choose…
clause = Clause { $name }
crumbs = You are here
days = { $n ->
    [one] { $n } day
   *[other] { $n } days
}
hours = { $n ->
    [0] less than an hour
    [one] { $n } hour
   *[other] { $n } hours
}
reserve = reserve
stage = State
submitted = Submitted
promised = Answer promised by
promised-none = The treaty promises no date here.
held-against = Held against treaty
asked = Asked for
asked-for = { $hours } GPU-hours, at most { $gpus } GPUs at once, for { $days } days
granted = Granted: { $hours } GPU-hours, at most { $gpus } GPUs at once, until
decision = Decision
appeal-decision = Decision on the appeal
by-treaty = by the treaty, without a review
by-reviewer = by a reviewer

stage-submitted = Submitted
stage-in-review = In review
stage-approved = Approved
stage-refused = Refused
stage-appealed = Appealed
stage-withdrawn = Withdrawn

step-submitted = Submitted
step-review = Review
step-decision = Decision
step-project = Project ready

apply-title = Apply for access
apply-lead = Academics, NGOs and public bodies can use the pool. Apply once; you get an answer with a reason by the date that the treaty promises.
apply-log-in-first = Log in first; you can then save a draft and come back to it.
apply-own = Your applications
apply-drafts = Your drafts
apply-untitled = Untitled draft
apply-delete = Delete
apply-where = Where you can apply
apply-no-treaty = No treaty is in force at the moment, so nobody can apply.
apply-reserve = GPUs that the treaty sets aside for this purpose.
apply-member = GPUs of this member, which decides for itself whom it hosts.
apply-tier = up to { $hours } GPU-hours and { $gpus } GPUs at once.
apply-tier-at-once = Granted at once where the conditions are met.
apply-tier-days = { $n ->
    [one] Answer within one day.
   *[other] Answer within { $n } days.
}
apply-begin = Begin an application to { $name }
apply-see-awards = What was granted so far, and how long answers took
apply-see-treaty = The treaty in force

draft-title = Application
draft-saved = Saved. You can come back to it under “Apply”.
draft-errors = { $n ->
    [one] One thing needs to be mended
   *[other] { $n } things need to be mended
}
draft-admitted = Everything is filled in, and the treaty admits this application.
draft-tier = Its tier would be { $name }.
draft-at-once = It would be granted at once.
draft-by = You would have an answer by { $name }.
draft-no-promise = The treaty promises no date for the answer.
draft-not-admitted = The treaty does not admit this application
draft-no-treaty = No treaty is in force at the moment. Your draft is saved; try again later.
draft-not-sent = The application was not sent. Your draft is saved; you can send it again.
draft-project = Project
draft-organisation = Organisation
draft-resources = What you ask for
draft-purpose = Purpose and case
draft-people = People
draft-submit = Submit
draft-check = Check against the treaty
draft-save = Save draft

field-kind = Kind of application
field-kind-hint = A renewal gives a project further hours and time; an extension only more time.
kind-New = New project
kind-Renewal = Renewal
kind-Extension = Extension
field-project = Name of the project
field-project-hint = Lower-case letters, digits and hyphens, such as river-floods. It is also the name of your namespace.
field-title = Title
field-title-hint = At most 120 characters; published if the application is approved.
field-summary = Summary for the public
field-summary-hint = What the GPUs are for, in a few sentences; published if the application is approved.
field-organisation = Organisation
field-organisation-hint = The legal name; published if the application is approved.
field-organisation-kind = Kind of organisation
field-organisation-kind-hint = What the organisation is, not what the project is.
organisation-academic = University or research institute
organisation-ngo = Non-governmental, non-profit organisation
organisation-publicBody = Public administration
organisation-sme = Small or medium enterprise
organisation-industry = Other company
field-country = Country
field-country-hint = Two letters of ISO 3166, such as FI; the seat of the organisation.
field-party = Where it would run
field-party-hint = A reserve that the treaty sets aside, or a member that hosts you.
field-gpu-hours = GPU-hours
field-gpu-hours-hint = For the whole project: GPUs times hours.
field-most-gpus = Most GPUs at once
field-most-gpus-hint = Whole nodes have 8.
field-days = Days
field-days-hint = How long you need access, from the decision on; at most 1,096.
field-purpose = Purpose
field-purpose-hint = Dual use means civil work with a possible military use.
purpose-civil = Civil
purpose-dualUse = Dual use
purpose-military = Military
field-dual-use = If dual use: which military use is possible, and what keeps the work civil
field-dual-use-hint = Reviewers and, where the law asks for it, export control read this.
field-data-class = Class of your data
field-data-class-hint = Some data may be processed on certified nodes only; the treaty says which.
data-public = Public data
field-justification = Your case
field-justification-hint = What you will do, why it needs these GPUs, what the public gains. Only reviewers read it.
field-people = Other people
field-people-hint = One a line, by the name that their account page shows, such as demo:anna.
field-terms = Terms of use
field-terms-accept = I have read the terms of use ({ $name }), and what I state is true.

error-missing = This is needed.
error-too-short = This is too short; at least { $name } characters.
error-too-long = This is too long; at most { $name } characters.
error-control-character = This holds a character that cannot be seen; type it again.
error-number = A whole number from 1 to { $name } is needed.
error-choose = Choose one.
error-project-name = Only lower-case letters, digits and hyphens, at most 63, beginning and ending with a letter or digit.
error-project-reserved = This name is kept for the cluster; choose another.
error-country = Two letters are needed, such as FI.
error-too-many = Too many; at most { $name }.
error-person = “{ $name }” is no name of a person here; it has the form provider:person, as the account page shows it.
error-terms = Please accept the terms of use.
error-score = Give a score from 1 to 5, or recuse yourself.
error-comment = A comment is needed, of at most 5,000 characters; in a recusal it says why.
error-grant = A whole number is needed, and no more than was asked for.
error-reason = A reason of 20 to 5,000 characters is needed.

files = Files
files-lead = Letters, plans, ethics approvals. Only reviewers see them; the record keeps their digests.
files-choose = File
files-hint = PDF, PNG, JPEG or plain text, at most 5 MB; ten files. Save your draft before you add one.
files-add = Add file
files-none = No files.

project-ready = Your project { $name } is ready.
project-submit-job = Submit a job
appeal = Appeal
appeal-title = Appeal
appeal-lead = You can ask once that somebody else looks at this again.
appeal-reason = Why the decision should change
appeal-reason-hint = At least 20 characters.
appeal-send = Send appeal
withdraw = Withdraw the application
renew = Apply for a renewal
extend = Apply for an extension

reviews-title = Reviews
reviews-lead = What was promised first stands first.
reviews-which = Which applications
reviews-open = To be answered
reviews-all = All
reviews-none = Nothing is waiting.
reviews-count = Reviews
reviews-mine = Yours
late = late
due-soon = due within two days
review-concerned = you take part
review-recused = recused
review-done = done
review-none = –
review-refused = This was not written:
review-case = The case
review-others = Other applications of this organisation
review-reviews = Reviews
review-none-yet = None yet.
review-you = you
review-own = Your review
review-recuse = I recuse myself
review-recuse-hint = If you are tied to the applicant or the organisation. Say how in the comment; you then give no scores and do not decide.
review-comment = Comment
review-comment-hint = For the other reviewers and whoever decides; the applicant does not see it.
review-save = Save review
score-merit = Merit
score-feasibility = Feasibility
score-public-interest = Public interest
score-hint = From 1 (poor) to 5 (excellent).
decide = Decide
decide-appeal = Decide on the appeal
decide-outcome = Outcome
decide-approve = Approve
decide-refuse = Refuse
decide-grant = If approved: the grant
grant-gpu-hours = GPU-hours
grant-gpu-hours-hint = No more than was asked for.
grant-most-gpus = Most GPUs at once
grant-most-gpus-hint = No more than was asked for.
grant-days = Days of access
grant-days-hint = From today on.
decide-reason = Reason
decide-reason-hint = The applicant reads it word for word; at least 20 characters.
decide-clauses = Clauses of the treaty
decide-clauses-hint = Those on which the decision rests, separated by commas; may be empty.
decide-send = Decide
cannot-concerned = You take part in this application, so you neither review it nor decide on it.
cannot-recused = You recused yourself, so somebody else decides.
cannot-decided = It is decided.
cannot-refused-it = You refused it, so somebody else decides on the appeal.
cannot-alone = A decision needs a review by somebody else first.

awards-title = Awards
awards-lead = What was granted to whom, for what, and under which treaty. No person is named.
awards-none = Nothing has been granted yet.
awards-decided = Granted on
awards-until = Until
promises-title = Answers: promised and kept
promises-lead = How long applicants wait for an answer, beside what the treaty promises them.
promises-promised = Promised
promises-answered = Answered
promises-approved = Approved
promises-median = Middle
promises-longest = Longest
promises-late = Late
promises-open = Open
promises-overdue = Overdue
promises-at-once = at once

due-title = Your dates
due-answer = Answer promised
due-grant-ends = The grant ends
