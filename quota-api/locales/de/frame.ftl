# Um jede Seite.
skip-to-content = Zum Inhalt springen
nav-main = Hauptnavigation
nav-use = Nutzung des Pools
nav-account = Mein Konto
nav-log-in = Anmelden
nav-log-out = Abmelden
nav-apply = Zugang beantragen
nav-jobs = Meine Jobs
nav-review = Begutachtungen
nav-language = Sprache
