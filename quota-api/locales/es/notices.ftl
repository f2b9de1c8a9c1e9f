# Correo a solicitantes.
mail-subject = Su solicitud: { $name }
mail-submitted = Hemos recibido su solicitud «{ $name }».
mail-decided = Su solicitud «{ $name }» tiene respuesta.
mail-appealed = Hemos recibido su recurso sobre «{ $name }».
mail-appeal-decided = Su recurso sobre «{ $name }» tiene respuesta.
