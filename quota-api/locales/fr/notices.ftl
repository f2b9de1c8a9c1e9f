# Courriel aux demandeurs.
mail-subject = Votre demande : { $name }
mail-submitted = Votre demande « { $name } » est bien arrivée.
mail-decided = Votre demande « { $name } » a reçu une réponse.
mail-appealed = Votre recours sur « { $name } » est bien arrivé.
mail-appeal-decided = Votre recours sur « { $name } » a reçu une réponse.
