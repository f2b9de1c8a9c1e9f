# Mail to applicants.
mail-subject = Your application: { $name }
mail-submitted = Your application “{ $name }” was received.
mail-decided = Your application “{ $name }” was answered.
mail-appealed = Your appeal on “{ $name }” was received.
mail-appeal-decided = Your appeal on “{ $name }” was answered.
