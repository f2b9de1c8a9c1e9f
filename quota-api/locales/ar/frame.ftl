# حول كل صفحة
skip-to-content = انتقل إلى المحتوى
nav-main = القائمة الرئيسية
nav-use = استخدام المجمّع
nav-account = حسابي
nav-log-in = تسجيل الدخول
nav-log-out = تسجيل الخروج
nav-apply = طلب الوصول
nav-jobs = مهامي
nav-review = المراجعات
nav-language = اللغة
