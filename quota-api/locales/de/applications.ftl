# Anträge, Begutachtungen, Bewilligungen.
choose = Auswählen…
clause = Klausel { $name }
crumbs = Sie sind hier
days = { $n ->
    [one] { $n } Tag
   *[other] { $n } Tage
}
hours = { $n ->
    [0] weniger als eine Stunde
    [one] { $n } Stunde
   *[other] { $n } Stunden
}
reserve = Reserve
stage = Stand
submitted = Eingereicht
promised = Antwort zugesagt bis
promised-none = Der Vertrag sagt hier kein Datum zu.
held-against = Geprüft nach Vertrag
asked = Beantragt
asked-for = { $hours } GPU-Stunden, höchstens { $gpus } GPUs zugleich, für { $days } Tage
granted = Bewilligt: { $hours } GPU-Stunden, höchstens { $gpus } GPUs zugleich, bis
decision = Entscheidung
appeal-decision = Entscheidung über den Widerspruch
by-treaty = durch den Vertrag, ohne Begutachtung
by-reviewer = durch eine Gutachterin oder einen Gutachter

stage-submitted = Eingereicht
stage-in-review = In Begutachtung
stage-approved = Bewilligt
stage-refused = Abgelehnt
stage-appealed = Im Widerspruch
stage-withdrawn = Zurückgezogen

step-submitted = Eingereicht
step-review = Begutachtung
step-decision = Entscheidung
step-project = Projekt bereit

apply-title = Zugang beantragen
apply-lead = Wissenschaft, NGOs und öffentliche Stellen können den Pool nutzen. Ein Antrag genügt; Sie erhalten eine begründete Antwort bis zu dem Tag, den der Vertrag zusagt.
apply-log-in-first = Melden Sie sich zuerst an; dann können Sie einen Entwurf speichern und später weiterschreiben.
apply-own = Ihre Anträge
apply-drafts = Ihre Entwürfe
apply-untitled = Entwurf ohne Titel
apply-delete = Löschen
apply-where = Wo Sie Zugang beantragen können
apply-no-treaty = Zurzeit ist kein Vertrag in Kraft; daher kann niemand einen Antrag stellen.
apply-reserve = GPUs, die der Vertrag für diesen Zweck zurücklegt.
apply-member = GPUs dieses Mitglieds, das selbst entscheidet, wen es aufnimmt.
apply-tier = bis zu { $hours } GPU-Stunden und { $gpus } GPUs zugleich.
apply-tier-at-once = Sofort bewilligt, wenn die Bedingungen erfüllt sind.
apply-tier-days = { $n ->
    [one] Antwort innerhalb eines Tages.
   *[other] Antwort innerhalb von { $n } Tagen.
}
apply-begin = Antrag an { $name } beginnen
apply-see-awards = Was bisher bewilligt wurde und wie lange Antworten brauchten
apply-see-treaty = Der geltende Vertrag

draft-title = Antrag
draft-saved = Gespeichert. Sie finden ihn unter „Zugang beantragen“ wieder.
draft-errors = { $n ->
    [one] Eine Angabe muss verbessert werden
   *[other] { $n } Angaben müssen verbessert werden
}
draft-admitted = Alles ist ausgefüllt, und der Vertrag lässt diesen Antrag zu.
draft-tier = Seine Stufe wäre { $name }.
draft-at-once = Er würde sofort bewilligt.
draft-by = Sie hätten eine Antwort bis { $name }.
draft-no-promise = Der Vertrag sagt kein Datum für die Antwort zu.
draft-not-admitted = Der Vertrag lässt diesen Antrag nicht zu
draft-no-treaty = Zurzeit ist kein Vertrag in Kraft. Ihr Entwurf ist gespeichert; versuchen Sie es später noch einmal.
draft-not-sent = Der Antrag wurde nicht abgeschickt. Ihr Entwurf ist gespeichert; Sie können ihn noch einmal abschicken.
draft-project = Projekt
draft-organisation = Organisation
draft-resources = Was Sie beantragen
draft-purpose = Zweck und Begründung
draft-people = Personen
draft-submit = Einreichen
draft-check = Am Vertrag prüfen
draft-save = Entwurf speichern

field-kind = Art des Antrags
field-kind-hint = Eine Verlängerung mit Stunden gibt dem Projekt neue Stunden und Zeit; eine Fristverlängerung nur Zeit.
kind-New = Neues Projekt
kind-Renewal = Verlängerung mit Stunden
kind-Extension = Fristverlängerung
field-project = Name des Projekts
field-project-hint = Kleinbuchstaben, Ziffern und Bindestriche, etwa hochwasser-fluesse. So heißt auch Ihr Namensraum.
field-title = Titel
field-title-hint = Höchstens 120 Zeichen; wird bei Bewilligung veröffentlicht.
field-summary = Zusammenfassung für die Öffentlichkeit
field-summary-hint = Wozu die GPUs dienen, in wenigen Sätzen; wird bei Bewilligung veröffentlicht.
field-organisation = Organisation
field-organisation-hint = Der rechtliche Name; wird bei Bewilligung veröffentlicht.
field-organisation-kind = Art der Organisation
field-organisation-kind-hint = Was die Organisation ist, nicht was das Projekt ist.
organisation-academic = Universität oder Forschungsinstitut
organisation-ngo = Gemeinnützige Nichtregierungsorganisation
organisation-publicBody = Öffentliche Verwaltung
organisation-sme = Kleines oder mittleres Unternehmen
organisation-industry = Anderes Unternehmen
field-country = Land
field-country-hint = Zwei Buchstaben nach ISO 3166, etwa FI; der Sitz der Organisation.
field-party = Wo gerechnet würde
field-party-hint = Eine Reserve nach dem Vertrag oder ein Mitglied, das Sie aufnimmt.
field-gpu-hours = GPU-Stunden
field-gpu-hours-hint = Für das ganze Projekt: GPUs mal Stunden.
field-most-gpus = Höchstens GPUs zugleich
field-most-gpus-hint = Ganze Knoten haben 8.
field-days = Tage
field-days-hint = Wie lange Sie ab der Entscheidung Zugang brauchen; höchstens 1.096.
field-purpose = Zweck
field-purpose-hint = Dual Use heißt zivile Arbeit mit möglicher militärischer Nutzung.
purpose-civil = Zivil
purpose-dualUse = Dual Use
purpose-military = Militärisch
field-dual-use = Bei Dual Use: welche militärische Nutzung möglich ist und was die Arbeit zivil hält
field-dual-use-hint = Das lesen die Begutachtenden und, wo das Recht es verlangt, die Exportkontrolle.
field-data-class = Klasse Ihrer Daten
field-data-class-hint = Manche Daten dürfen nur auf zertifizierten Knoten verarbeitet werden; der Vertrag sagt, auf welchen.
data-public = Öffentliche Daten
field-justification = Ihre Begründung
field-justification-hint = Was Sie tun, wozu es diese GPUs braucht, was die Öffentlichkeit gewinnt. Das lesen nur die Begutachtenden.
field-people = Weitere Personen
field-people-hint = Eine je Zeile, mit dem Namen, den ihre Kontoseite zeigt, etwa demo:anna.
field-terms = Nutzungsbedingungen
field-terms-accept = Ich habe die Nutzungsbedingungen ({ $name }) gelesen, und meine Angaben sind wahr.

error-missing = Diese Angabe wird gebraucht.
error-too-short = Das ist zu kurz; mindestens { $name } Zeichen.
error-too-long = Das ist zu lang; höchstens { $name } Zeichen.
error-control-character = Das enthält ein unsichtbares Zeichen; geben Sie es neu ein.
error-number = Gebraucht wird eine ganze Zahl von 1 bis { $name }.
error-choose = Wählen Sie etwas aus.
error-project-name = Nur Kleinbuchstaben, Ziffern und Bindestriche, höchstens 63, am Anfang und Ende ein Buchstabe oder eine Ziffer.
error-project-reserved = Dieser Name ist dem Cluster vorbehalten; wählen Sie einen anderen.
error-country = Gebraucht werden zwei Buchstaben, etwa FI.
error-too-many = Zu viele; höchstens { $name }.
error-person = „{ $name }“ ist hier kein Name einer Person; er hat die Form Anbieter:Person, wie die Kontoseite ihn zeigt.
error-terms = Bitte nehmen Sie die Nutzungsbedingungen an.
error-score = Geben Sie eine Note von 1 bis 5, oder erklären Sie sich für befangen.
error-comment = Gebraucht wird ein Kommentar von höchstens 5.000 Zeichen; bei Befangenheit sagt er, warum.
error-grant = Gebraucht wird eine ganze Zahl, nicht größer als beantragt.
error-reason = Gebraucht wird eine Begründung von 20 bis 5.000 Zeichen.

files = Dateien
files-lead = Schreiben, Pläne, Ethikvoten. Nur die Begutachtenden sehen sie; das Register hält ihre Prüfsummen fest.
files-choose = Datei
files-hint = PDF, PNG, JPEG oder einfacher Text, höchstens 5 MB; zehn Dateien. Speichern Sie Ihren Entwurf, bevor Sie eine hinzufügen.
files-add = Datei hinzufügen
files-none = Keine Dateien.

project-ready = Ihr Projekt { $name } ist bereit.
project-submit-job = Job einreichen
appeal = Widerspruch
appeal-title = Widerspruch
appeal-lead = Sie können einmal verlangen, dass jemand anderes den Antrag noch einmal ansieht.
appeal-reason = Warum sich die Entscheidung ändern soll
appeal-reason-hint = Mindestens 20 Zeichen.
appeal-send = Widerspruch einlegen
withdraw = Antrag zurückziehen
renew = Verlängerung mit Stunden beantragen
extend = Fristverlängerung beantragen

reviews-title = Begutachtungen
reviews-lead = Was zuerst zugesagt ist, steht oben.
reviews-which = Welche Anträge
reviews-open = Zu beantworten
reviews-all = Alle
reviews-none = Nichts wartet.
reviews-count = Gutachten
reviews-mine = Ihres
late = überfällig
due-soon = in zwei Tagen fällig
review-concerned = Sie sind beteiligt
review-recused = befangen
review-done = fertig
review-none = –
review-refused = Das wurde nicht gespeichert:
review-case = Die Begründung
review-others = Andere Anträge dieser Organisation
review-reviews = Gutachten
review-none-yet = Noch keines.
review-you = Sie
review-own = Ihr Gutachten
review-recuse = Ich erkläre mich für befangen
review-recuse-hint = Wenn Sie mit der antragstellenden Person oder Organisation verbunden sind. Sagen Sie im Kommentar, wie; dann geben Sie keine Noten und entscheiden nicht.
review-comment = Kommentar
review-comment-hint = Für die anderen Begutachtenden und wer entscheidet; wer den Antrag stellt, sieht ihn nicht.
review-save = Gutachten speichern
score-merit = Güte
score-feasibility = Machbarkeit
score-public-interest = Öffentliches Interesse
score-hint = Von 1 (schwach) bis 5 (ausgezeichnet).
decide = Entscheiden
decide-appeal = Über den Widerspruch entscheiden
decide-outcome = Ergebnis
decide-approve = Bewilligen
decide-refuse = Ablehnen
decide-grant = Bei Bewilligung: der Umfang
grant-gpu-hours = GPU-Stunden
grant-gpu-hours-hint = Nicht mehr als beantragt.
grant-most-gpus = Höchstens GPUs zugleich
grant-most-gpus-hint = Nicht mehr als beantragt.
grant-days = Tage des Zugangs
grant-days-hint = Von heute an.
decide-reason = Begründung
decide-reason-hint = Wer den Antrag stellt, liest sie Wort für Wort; mindestens 20 Zeichen.
decide-clauses = Klauseln des Vertrags
decide-clauses-hint = Auf denen die Entscheidung beruht, durch Kommas getrennt; darf leer sein.
decide-send = Entscheiden
cannot-concerned = Sie sind an diesem Antrag beteiligt; daher begutachten Sie ihn nicht und entscheiden nicht.
cannot-recused = Sie haben sich für befangen erklärt; daher entscheidet jemand anderes.
cannot-decided = Es ist entschieden.
cannot-refused-it = Sie haben abgelehnt; daher entscheidet jemand anderes über den Widerspruch.
cannot-alone = Vor einer Entscheidung braucht es das Gutachten einer anderen Person.

awards-title = Bewilligungen
awards-lead = Was wem wofür und nach welchem Vertrag bewilligt wurde. Keine Person wird genannt.
awards-none = Noch wurde nichts bewilligt.
awards-decided = Bewilligt am
awards-until = Bis
promises-title = Antworten: zugesagt und gehalten
promises-lead = Wie lange auf Antworten gewartet wird, neben dem, was der Vertrag zusagt.
promises-promised = Zugesagt
promises-answered = Beantwortet
promises-approved = Bewilligt
promises-median = Mittlere
promises-longest = Längste
promises-late = Verspätet
promises-open = Offen
promises-overdue = Überfällig
promises-at-once = sofort

due-title = Ihre Termine
due-answer = Antwort zugesagt
due-grant-ends = Die Zuteilung endet
