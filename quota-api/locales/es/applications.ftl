# Solicitudes, evaluaciones, concesiones.
choose = Elegir…
clause = Cláusula { $name }
crumbs = Está aquí
days = { $n ->
    [one] { $n } día
   *[other] { $n } días
}
hours = { $n ->
    [0] menos de una hora
    [one] { $n } hora
   *[other] { $n } horas
}
reserve = reserva
stage = Estado
submitted = Presentada
promised = Respuesta prometida antes del
promised-none = El tratado no promete aquí una fecha.
held-against = Examinada según el tratado
asked = Solicita
asked-for = { $hours } horas de GPU, como máximo { $gpus } GPU a la vez, durante { $days } días
granted = Concedido: { $hours } horas de GPU, como máximo { $gpus } GPU a la vez, hasta el
decision = Decisión
appeal-decision = Decisión sobre el recurso
by-treaty = por el tratado, sin evaluación
by-reviewer = por una persona evaluadora

stage-submitted = Presentada
stage-in-review = En evaluación
stage-approved = Aprobada
stage-refused = Denegada
stage-appealed = Recurrida
stage-withdrawn = Retirada

step-submitted = Presentada
step-review = Evaluación
step-decision = Decisión
step-project = Proyecto listo

apply-title = Solicitar acceso
apply-lead = Personal académico, ONG y organismos públicos pueden usar el conjunto. Basta una solicitud; recibirá una respuesta motivada en la fecha que promete el tratado.
apply-log-in-first = Inicie sesión primero; podrá guardar un borrador y volver a él.
apply-own = Sus solicitudes
apply-drafts = Sus borradores
apply-untitled = Borrador sin título
apply-delete = Eliminar
apply-where = Dónde puede solicitar
apply-no-treaty = En este momento no hay ningún tratado en vigor, por lo que nadie puede presentar solicitudes.
apply-reserve = GPU que el tratado reserva para este fin.
apply-member = GPU de este miembro, que decide por sí mismo a quién acoge.
apply-tier = hasta { $hours } horas de GPU y { $gpus } GPU a la vez.
apply-tier-at-once = Se concede de inmediato si se cumplen las condiciones.
apply-tier-days = { $n ->
    [one] Respuesta en un día.
   *[other] Respuesta en { $n } días.
}
apply-begin = Empezar una solicitud a { $name }
apply-see-awards = Lo concedido hasta ahora y cuánto tardaron las respuestas
apply-see-treaty = El tratado en vigor

draft-title = Solicitud
draft-saved = Guardada. La encontrará en «Solicitar acceso».
draft-errors = { $n ->
    [one] Hay que corregir un punto
   *[other] Hay que corregir { $n } puntos
}
draft-admitted = Todo está completo y el tratado admite esta solicitud.
draft-tier = Su categoría sería { $name }.
draft-at-once = Se concedería de inmediato.
draft-by = Tendría una respuesta antes del { $name }.
draft-no-promise = El tratado no promete fecha para la respuesta.
draft-not-admitted = El tratado no admite esta solicitud
draft-no-treaty = En este momento no hay ningún tratado en vigor. Su borrador está guardado; inténtelo más tarde.
draft-not-sent = La solicitud no se envió. Su borrador está guardado; puede enviarla de nuevo.
draft-project = Proyecto
draft-organisation = Organización
draft-resources = Lo que solicita
draft-purpose = Finalidad y motivos
draft-people = Personas
draft-submit = Presentar
draft-check = Comprobar según el tratado
draft-save = Guardar borrador

field-kind = Tipo de solicitud
field-kind-hint = Una renovación da al proyecto más horas y más tiempo; una prórroga, solo tiempo.
kind-New = Proyecto nuevo
kind-Renewal = Renovación
kind-Extension = Prórroga
field-project = Nombre del proyecto
field-project-hint = Minúsculas, cifras y guiones, por ejemplo crecidas-rios. Es también el nombre de su espacio de nombres.
field-title = Título
field-title-hint = Como máximo 120 caracteres; se publica si se aprueba.
field-summary = Resumen para el público
field-summary-hint = Para qué son las GPU, en pocas frases; se publica si se aprueba.
field-organisation = Organización
field-organisation-hint = El nombre legal; se publica si se aprueba.
field-organisation-kind = Tipo de organización
field-organisation-kind-hint = Lo que es la organización, no lo que es el proyecto.
organisation-academic = Universidad o instituto de investigación
organisation-ngo = Organización no gubernamental sin ánimo de lucro
organisation-publicBody = Administración pública
organisation-sme = Empresa pequeña o mediana
organisation-industry = Otra empresa
field-country = País
field-country-hint = Dos letras de la ISO 3166, por ejemplo FI; la sede de la organización.
field-party = Dónde se ejecutaría
field-party-hint = Una reserva que prevé el tratado, o un miembro que le acoge.
field-gpu-hours = Horas de GPU
field-gpu-hours-hint = Para todo el proyecto: GPU por horas.
field-most-gpus = Máximo de GPU a la vez
field-most-gpus-hint = Un nodo entero tiene 8.
field-days = Días
field-days-hint = Cuánto tiempo necesita acceso desde la decisión; como máximo 1096.
field-purpose = Finalidad
field-purpose-hint = Doble uso: trabajo civil con un posible uso militar.
purpose-civil = Civil
purpose-dualUse = Doble uso
purpose-military = Militar
field-dual-use = En caso de doble uso: qué uso militar es posible y qué mantiene civil el trabajo
field-dual-use-hint = Lo leen quienes evalúan y, donde la ley lo exige, el control de exportaciones.
field-data-class = Clase de sus datos
field-data-class-hint = Algunos datos solo pueden tratarse en nodos certificados; el tratado dice cuáles.
data-public = Datos públicos
field-justification = Sus motivos
field-justification-hint = Qué hará, por qué necesita estas GPU, qué gana el público. Solo lo leen quienes evalúan.
field-people = Otras personas
field-people-hint = Una por línea, con el nombre que muestra su página de cuenta, por ejemplo demo:anna.
field-terms = Condiciones de uso
field-terms-accept = He leído las condiciones de uso ({ $name }) y lo que declaro es cierto.

error-missing = Este dato es necesario.
error-too-short = Demasiado corto; al menos { $name } caracteres.
error-too-long = Demasiado largo; como máximo { $name } caracteres.
error-control-character = Contiene un carácter invisible; escríbalo de nuevo.
error-number = Hace falta un número entero de 1 a { $name }.
error-choose = Elija una opción.
error-project-name = Solo minúsculas, cifras y guiones, como máximo 63, con una letra o cifra al principio y al final.
error-project-reserved = Este nombre está reservado al clúster; elija otro.
error-country = Hacen falta dos letras, por ejemplo FI.
error-too-many = Demasiados; como máximo { $name }.
error-person = «{ $name }» no es un nombre de persona aquí; tiene la forma proveedor:persona, como en la página de cuenta.
error-terms = Acepte las condiciones de uso.
error-score = Dé una nota de 1 a 5, o absténgase.
error-comment = Hace falta un comentario de como máximo 5000 caracteres; en una abstención dice por qué.
error-grant = Hace falta un número entero, no mayor que lo solicitado.
error-reason = Hace falta un motivo de 20 a 5000 caracteres.

files = Archivos
files-lead = Cartas, planes, dictámenes éticos. Solo los ven quienes evalúan; el registro guarda sus huellas.
files-choose = Archivo
files-hint = PDF, PNG, JPEG o texto simple, como máximo 5 MB; diez archivos. Guarde el borrador antes de añadir uno.
files-add = Añadir archivo
files-none = Ningún archivo.

project-ready = Su proyecto { $name } está listo.
project-submit-job = Enviar un trabajo
appeal = Recurso
appeal-title = Recurso
appeal-lead = Puede pedir una vez que otra persona lo examine de nuevo.
appeal-reason = Por qué debería cambiar la decisión
appeal-reason-hint = Al menos 20 caracteres.
appeal-send = Enviar recurso
withdraw = Retirar la solicitud
renew = Solicitar una renovación
extend = Solicitar una prórroga

reviews-title = Evaluaciones
reviews-lead = Lo que se prometió antes está primero.
reviews-which = Qué solicitudes
reviews-open = Por responder
reviews-all = Todas
reviews-none = No hay nada pendiente.
reviews-count = Evaluaciones
reviews-mine = La suya
late = con retraso
due-soon = vence en dos días
review-concerned = usted participa
review-recused = abstención
review-done = hecha
review-none = –
review-refused = Esto no se guardó:
review-case = Los motivos
review-others = Otras solicitudes de esta organización
review-reviews = Evaluaciones
review-none-yet = Todavía ninguna.
review-you = usted
review-own = Su evaluación
review-recuse = Me abstengo
review-recuse-hint = Si tiene un vínculo con quien solicita o con la organización. Diga cuál en el comentario; entonces no da notas ni decide.
review-comment = Comentario
review-comment-hint = Para quienes evalúan y deciden; quien solicita no lo ve.
review-save = Guardar evaluación
score-merit = Mérito
score-feasibility = Viabilidad
score-public-interest = Interés público
score-hint = De 1 (bajo) a 5 (excelente).
decide = Decidir
decide-appeal = Decidir sobre el recurso
decide-outcome = Resultado
decide-approve = Aprobar
decide-refuse = Denegar
decide-grant = Si se aprueba: lo concedido
grant-gpu-hours = Horas de GPU
grant-gpu-hours-hint = No más de lo solicitado.
grant-most-gpus = Máximo de GPU a la vez
grant-most-gpus-hint = No más de lo solicitado.
grant-days = Días de acceso
grant-days-hint = Desde hoy.
decide-reason = Motivo
decide-reason-hint = Quien solicita lo lee palabra por palabra; al menos 20 caracteres.
decide-clauses = Cláusulas del tratado
decide-clauses-hint = Aquellas en que se basa la decisión, separadas por comas; puede quedar vacío.
decide-send = Decidir
cannot-concerned = Usted participa en esta solicitud, así que no la evalúa ni decide sobre ella.
cannot-recused = Se abstuvo, así que decide otra persona.
cannot-decided = Está decidida.
cannot-refused-it = Usted la denegó, así que otra persona decide sobre el recurso.
cannot-alone = Antes de decidir hace falta la evaluación de otra persona.

awards-title = Concesiones
awards-lead = Qué se concedió, a quién, para qué y según qué tratado. No se nombra a ninguna persona.
awards-none = Todavía no se ha concedido nada.
awards-decided = Concedida el
awards-until = Hasta
promises-title = Respuestas: prometido y cumplido
promises-lead = Cuánto esperan quienes solicitan, junto a lo que les promete el tratado.
promises-promised = Prometido
promises-answered = Respondidas
promises-approved = Aprobadas
promises-median = Mediana
promises-longest = Máximo
promises-late = Con retraso
promises-open = Abiertas
promises-overdue = Vencidas
promises-at-once = de inmediato

due-title = Sus fechas
due-answer = Respuesta prometida
due-grant-ends = La concesión termina
