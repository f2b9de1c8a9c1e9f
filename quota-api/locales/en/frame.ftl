# Around every page.
skip-to-content = Skip to the content
nav-main = Main
nav-use = Use of the pool
nav-account = My account
nav-log-in = Log in
nav-log-out = Log out
nav-apply = Apply
nav-jobs = My jobs
nav-review = Reviews
nav-language = Language
