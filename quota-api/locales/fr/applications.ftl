# Demandes, évaluations, attributions.
choose = Choisir…
clause = Clause { $name }
crumbs = Vous êtes ici
days = { $n ->
    [one] { $n } jour
   *[other] { $n } jours
}
hours = { $n ->
    [0] moins d’une heure
    [one] { $n } heure
   *[other] { $n } heures
}
reserve = réserve
stage = État
submitted = Déposée
promised = Réponse promise avant le
promised-none = Le traité ne promet pas de date ici.
held-against = Examinée selon le traité
asked = Demande
asked-for = { $hours } heures GPU, au plus { $gpus } GPU à la fois, pendant { $days } jours
granted = Accordé : { $hours } heures GPU, au plus { $gpus } GPU à la fois, jusqu’au
decision = Décision
appeal-decision = Décision sur le recours
by-treaty = par le traité, sans évaluation
by-reviewer = par un évaluateur

stage-submitted = Déposée
stage-in-review = En évaluation
stage-approved = Approuvée
stage-refused = Refusée
stage-appealed = En recours
stage-withdrawn = Retirée

step-submitted = Déposée
step-review = Évaluation
step-decision = Décision
step-project = Projet prêt

apply-title = Demander un accès
apply-lead = Les chercheurs, les ONG et les organismes publics peuvent utiliser le pool. Une seule demande suffit ; la réponse est motivée et arrive à la date que promet le traité.
apply-log-in-first = Connectez-vous d’abord ; vous pourrez alors enregistrer un brouillon et y revenir.
apply-own = Vos demandes
apply-drafts = Vos brouillons
apply-untitled = Brouillon sans titre
apply-delete = Supprimer
apply-where = Où demander
apply-no-treaty = Aucun traité n’est en vigueur en ce moment ; personne ne peut donc déposer de demande.
apply-reserve = Des GPU que le traité réserve à cet usage.
apply-member = Les GPU de ce membre, qui décide lui-même de qui il accueille.
apply-tier = jusqu’à { $hours } heures GPU et { $gpus } GPU à la fois.
apply-tier-at-once = Accordé aussitôt si les conditions sont remplies.
apply-tier-days = { $n ->
    [one] Réponse en un jour.
   *[other] Réponse en { $n } jours.
}
apply-begin = Commencer une demande à { $name }
apply-see-awards = Ce qui a été accordé et la durée des réponses
apply-see-treaty = Le traité en vigueur

draft-title = Demande
draft-saved = Enregistré. Vous le retrouverez sous « Demander un accès ».
draft-errors = { $n ->
    [one] Un point est à corriger
   *[other] { $n } points sont à corriger
}
draft-admitted = Tout est rempli, et le traité admet cette demande.
draft-tier = Sa catégorie serait { $name }.
draft-at-once = Elle serait accordée aussitôt.
draft-by = Vous auriez une réponse avant le { $name }.
draft-no-promise = Le traité ne promet pas de date de réponse.
draft-not-admitted = Le traité n’admet pas cette demande
draft-no-treaty = Aucun traité n’est en vigueur en ce moment. Votre brouillon est enregistré ; réessayez plus tard.
draft-not-sent = La demande n’a pas été envoyée. Votre brouillon est enregistré ; vous pouvez l’envoyer de nouveau.
draft-project = Projet
draft-organisation = Organisation
draft-resources = Ce que vous demandez
draft-purpose = But et exposé
draft-people = Personnes
draft-submit = Déposer
draft-check = Vérifier selon le traité
draft-save = Enregistrer le brouillon

field-kind = Type de demande
field-kind-hint = Un renouvellement donne au projet de nouvelles heures et une nouvelle durée ; une prolongation, seulement du temps.
kind-New = Nouveau projet
kind-Renewal = Renouvellement
kind-Extension = Prolongation
field-project = Nom du projet
field-project-hint = Minuscules, chiffres et traits d’union, par exemple crues-rivieres. C’est aussi le nom de votre espace de noms.
field-title = Titre
field-title-hint = Au plus 120 caractères ; publié si la demande est approuvée.
field-summary = Résumé pour le public
field-summary-hint = À quoi serviront les GPU, en quelques phrases ; publié si la demande est approuvée.
field-organisation = Organisation
field-organisation-hint = La raison sociale ; publiée si la demande est approuvée.
field-organisation-kind = Type d’organisation
field-organisation-kind-hint = Ce qu’est l’organisation, non ce qu’est le projet.
organisation-academic = Université ou institut de recherche
organisation-ngo = Organisation non gouvernementale à but non lucratif
organisation-publicBody = Administration publique
organisation-sme = Petite ou moyenne entreprise
organisation-industry = Autre entreprise
field-country = Pays
field-country-hint = Deux lettres de l’ISO 3166, par exemple FI ; le siège de l’organisation.
field-party = Où les calculs auraient lieu
field-party-hint = Une réserve prévue par le traité, ou un membre qui vous accueille.
field-gpu-hours = Heures GPU
field-gpu-hours-hint = Pour tout le projet : nombre de GPU fois nombre d’heures.
field-most-gpus = GPU à la fois, au plus
field-most-gpus-hint = Un nœud entier en a 8.
field-days = Jours
field-days-hint = Durée d’accès souhaitée à partir de la décision ; au plus 1 096.
field-purpose = But
field-purpose-hint = Double usage : travail civil avec un usage militaire possible.
purpose-civil = Civil
purpose-dualUse = Double usage
purpose-military = Militaire
field-dual-use = En cas de double usage : quel usage militaire est possible, et ce qui garde le travail civil
field-dual-use-hint = Les évaluateurs et, si la loi le demande, le contrôle des exportations le lisent.
field-data-class = Classe de vos données
field-data-class-hint = Certaines données ne peuvent être traitées que sur des nœuds certifiés ; le traité dit lesquels.
data-public = Données publiques
field-justification = Votre exposé
field-justification-hint = Ce que vous ferez, pourquoi ces GPU sont nécessaires, ce qu’y gagne le public. Seuls les évaluateurs le lisent.
field-people = Autres personnes
field-people-hint = Une par ligne, sous le nom que montre leur page de compte, par exemple demo:anna.
field-terms = Conditions d’utilisation
field-terms-accept = J’ai lu les conditions d’utilisation ({ $name }), et ce que je déclare est vrai.

error-missing = Ce champ est nécessaire.
error-too-short = Trop court ; au moins { $name } caractères.
error-too-long = Trop long ; au plus { $name } caractères.
error-control-character = Contient un caractère invisible ; saisissez-le de nouveau.
error-number = Il faut un nombre entier de 1 à { $name }.
error-choose = Faites un choix.
error-project-name = Seulement des minuscules, des chiffres et des traits d’union, au plus 63, avec une lettre ou un chiffre au début et à la fin.
error-project-reserved = Ce nom est réservé au cluster ; choisissez-en un autre.
error-country = Il faut deux lettres, par exemple FI.
error-too-many = Trop nombreux ; au plus { $name }.
error-person = « { $name } » n’est pas un nom de personne ici ; il a la forme fournisseur:personne, comme sur la page de compte.
error-terms = Veuillez accepter les conditions d’utilisation.
error-score = Donnez une note de 1 à 5, ou récusez-vous.
error-comment = Il faut un commentaire d’au plus 5 000 caractères ; pour une récusation, il dit pourquoi.
error-grant = Il faut un nombre entier, et pas plus que ce qui a été demandé.
error-reason = Il faut un motif de 20 à 5 000 caractères.

files = Fichiers
files-lead = Lettres, plans, avis éthiques. Seuls les évaluateurs les voient ; le registre garde leurs empreintes.
files-choose = Fichier
files-hint = PDF, PNG, JPEG ou texte simple, au plus 5 Mo ; dix fichiers. Enregistrez votre brouillon avant d’en ajouter un.
files-add = Ajouter le fichier
files-none = Aucun fichier.

project-ready = Votre projet { $name } est prêt.
project-submit-job = Lancer un travail
appeal = Recours
appeal-title = Recours
appeal-lead = Vous pouvez demander une fois qu’une autre personne réexamine la demande.
appeal-reason = Pourquoi la décision devrait changer
appeal-reason-hint = Au moins 20 caractères.
appeal-send = Envoyer le recours
withdraw = Retirer la demande
renew = Demander un renouvellement
extend = Demander une prolongation

reviews-title = Évaluations
reviews-lead = Ce qui a été promis en premier est en tête.
reviews-which = Quelles demandes
reviews-open = À traiter
reviews-all = Toutes
reviews-none = Rien n’attend.
reviews-count = Évaluations
reviews-mine = La vôtre
late = en retard
due-soon = due dans deux jours
review-concerned = vous y participez
review-recused = récusé
review-done = faite
review-none = –
review-refused = Ceci n’a pas été enregistré :
review-case = L’exposé
review-others = Autres demandes de cette organisation
review-reviews = Évaluations
review-none-yet = Aucune pour l’instant.
review-you = vous
review-own = Votre évaluation
review-recuse = Je me récuse
review-recuse-hint = Si vous êtes lié au demandeur ou à l’organisation. Dites comment dans le commentaire ; vous ne donnez alors pas de notes et ne décidez pas.
review-comment = Commentaire
review-comment-hint = Pour les autres évaluateurs et la personne qui décide ; le demandeur ne le voit pas.
review-save = Enregistrer l’évaluation
score-merit = Mérite
score-feasibility = Faisabilité
score-public-interest = Intérêt public
score-hint = De 1 (faible) à 5 (excellent).
decide = Décider
decide-appeal = Décider du recours
decide-outcome = Issue
decide-approve = Approuver
decide-refuse = Refuser
decide-grant = En cas d’approbation : ce qui est accordé
grant-gpu-hours = Heures GPU
grant-gpu-hours-hint = Pas plus que ce qui a été demandé.
grant-most-gpus = GPU à la fois, au plus
grant-most-gpus-hint = Pas plus que ce qui a été demandé.
grant-days = Jours d’accès
grant-days-hint = À partir d’aujourd’hui.
decide-reason = Motif
decide-reason-hint = Le demandeur le lit mot pour mot ; au moins 20 caractères.
decide-clauses = Clauses du traité
decide-clauses-hint = Celles sur lesquelles repose la décision, séparées par des virgules ; facultatif.
decide-send = Décider
cannot-concerned = Vous participez à cette demande : vous ne l’évaluez pas et n’en décidez pas.
cannot-recused = Vous vous êtes récusé : une autre personne décide.
cannot-decided = La décision est prise.
cannot-refused-it = Vous l’avez refusée : une autre personne décide du recours.
cannot-alone = Une décision demande d’abord l’évaluation d’une autre personne.

awards-title = Attributions
awards-lead = Ce qui a été accordé, à qui, pour quoi et selon quel traité. Aucune personne n’est nommée.
awards-none = Rien n’a encore été accordé.
awards-decided = Accordé le
awards-until = Jusqu’au
promises-title = Réponses : promis et tenu
promises-lead = Combien de temps les demandeurs attendent une réponse, à côté de ce que le traité leur promet.
promises-promised = Promis
promises-answered = Répondues
promises-approved = Approuvées
promises-median = Médiane
promises-longest = Maximum
promises-late = En retard
promises-open = Ouvertes
promises-overdue = Échues
promises-at-once = aussitôt

due-title = Vos dates
due-answer = Réponse promise
due-grant-ends = L’attribution prend fin
