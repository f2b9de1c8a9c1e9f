# Autour de chaque page.
skip-to-content = Aller au contenu
nav-main = Navigation principale
nav-use = Usage du pool
nav-account = Mon compte
nav-log-in = Se connecter
nav-log-out = Se déconnecter
nav-apply = Demander un accès
nav-jobs = Mes travaux
nav-review = Évaluations
nav-language = Langue
