# Post an Antragstellende.
mail-subject = Ihr Antrag: { $name }
mail-submitted = Ihr Antrag „{ $name }“ ist eingegangen.
mail-decided = Ihr Antrag „{ $name }“ wurde beantwortet.
mail-appealed = Ihr Widerspruch zu „{ $name }“ ist eingegangen.
mail-appeal-decided = Ihr Widerspruch zu „{ $name }“ wurde beantwortet.
