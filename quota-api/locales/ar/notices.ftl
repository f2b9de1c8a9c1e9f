# رسائل إلى مقدمي الطلبات
mail-subject = طلبك: { $name }
mail-submitted = استلمنا طلبك «{ $name }».
mail-decided = صدر الرد على طلبك «{ $name }».
mail-appealed = استلمنا تظلّمك بشأن «{ $name }».
mail-appeal-decided = صدر الرد على تظلّمك بشأن «{ $name }».
