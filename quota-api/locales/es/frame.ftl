# Alrededor de cada página.
skip-to-content = Ir al contenido
nav-main = Navegación principal
nav-use = Uso del conjunto
nav-account = Mi cuenta
nav-log-in = Iniciar sesión
nav-log-out = Cerrar sesión
nav-apply = Solicitar acceso
nav-jobs = Mis trabajos
nav-review = Evaluaciones
nav-language = Idioma
