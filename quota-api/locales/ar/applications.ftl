# الطلبات والمراجعات والمنح
choose = اختر…
clause = البند { $name }
crumbs = أنت هنا
days = { $n ->
    [zero] بلا أيام
    [one] يوم واحد
    [two] يومان
    [few] { $n } أيام
    [many] { $n } يومًا
   *[other] { $n } يوم
}
hours = { $n ->
    [0] أقل من ساعة
    [one] ساعة واحدة
    [two] ساعتان
    [few] { $n } ساعات
    [many] { $n } ساعة
   *[other] { $n } ساعة
}
reserve = احتياطي
stage = الحالة
submitted = تاريخ التقديم
promised = الرد موعود قبل
promised-none = لا تعد المعاهدة بموعد هنا.
held-against = فُحص بموجب المعاهدة
asked = المطلوب
asked-for = { $hours } ساعة GPU، بحد أقصى { $gpus } GPU في آن واحد، لمدة { $days } يوم
granted = مُنح: { $hours } ساعة GPU، بحد أقصى { $gpus } GPU في آن واحد، حتى
decision = القرار
appeal-decision = القرار في التظلّم
by-treaty = بموجب المعاهدة، دون مراجعة
by-reviewer = من مراجِع

stage-submitted = مقدَّم
stage-in-review = قيد المراجعة
stage-approved = مقبول
stage-refused = مرفوض
stage-appealed = قيد التظلّم
stage-withdrawn = مسحوب

step-submitted = التقديم
step-review = المراجعة
step-decision = القرار
step-project = المشروع جاهز

apply-title = طلب الوصول
apply-lead = يمكن للأكاديميين والمنظمات غير الحكومية والهيئات العامة استخدام المجمّع. يكفي طلب واحد، وتصلك إجابة معلّلة في الموعد الذي تعد به المعاهدة.
apply-log-in-first = سجّل الدخول أولًا؛ عندها يمكنك حفظ مسودة والعودة إليها.
apply-own = طلباتك
apply-drafts = مسوداتك
apply-untitled = مسودة بلا عنوان
apply-delete = حذف
apply-where = أين يمكنك التقديم
apply-no-treaty = لا توجد معاهدة سارية حاليًا، لذلك لا يمكن لأحد التقديم.
apply-reserve = وحدات GPU تخصصها المعاهدة لهذا الغرض.
apply-member = وحدات GPU لهذا العضو، وهو يقرر بنفسه من يستضيف.
apply-tier = حتى { $hours } ساعة GPU و{ $gpus } GPU في آن واحد.
apply-tier-at-once = يُمنح فورًا إذا استوفيت الشروط.
apply-tier-days = { $n ->
    [one] الرد خلال يوم واحد.
    [two] الرد خلال يومين.
    [few] الرد خلال { $n } أيام.
    [many] الرد خلال { $n } يومًا.
   *[other] الرد خلال { $n } يوم.
}
apply-begin = ابدأ طلبًا إلى { $name }
apply-see-awards = ما مُنح حتى الآن ومدة الردود
apply-see-treaty = المعاهدة السارية

draft-title = طلب
draft-saved = حُفظ. تجده تحت «طلب الوصول».
draft-errors = { $n ->
    [one] يجب تصحيح أمر واحد
    [two] يجب تصحيح أمرين
    [few] يجب تصحيح { $n } أمور
    [many] يجب تصحيح { $n } أمرًا
   *[other] يجب تصحيح { $n } أمر
}
draft-admitted = كل شيء مكتمل، والمعاهدة تقبل هذا الطلب.
draft-tier = فئته ستكون { $name }.
draft-at-once = وسيُمنح فورًا.
draft-by = وسيصلك الرد قبل { $name }.
draft-no-promise = لا تعد المعاهدة بموعد للرد.
draft-not-admitted = المعاهدة لا تقبل هذا الطلب
draft-no-treaty = لا توجد معاهدة سارية حاليًا. مسودتك محفوظة؛ حاول لاحقًا.
draft-not-sent = لم يُرسل الطلب. مسودتك محفوظة، ويمكنك إرسالها من جديد.
draft-project = المشروع
draft-organisation = المنظمة
draft-resources = ما تطلبه
draft-purpose = الغرض والمبررات
draft-people = الأشخاص
draft-submit = تقديم
draft-check = فحص بموجب المعاهدة
draft-save = حفظ المسودة

field-kind = نوع الطلب
field-kind-hint = التجديد يمنح المشروع ساعات ومدة إضافية؛ والتمديد مدة فقط.
kind-New = مشروع جديد
kind-Renewal = تجديد
kind-Extension = تمديد
field-project = اسم المشروع
field-project-hint = أحرف لاتينية صغيرة وأرقام وشرطات، مثل river-floods. وهو أيضًا اسم مساحة الأسماء.
field-title = العنوان
field-title-hint = ‏120 حرفًا على الأكثر؛ يُنشر إذا قُبل الطلب.
field-summary = ملخص للعموم
field-summary-hint = فيمَ ستُستخدم وحدات GPU، في بضع جمل؛ يُنشر إذا قُبل الطلب.
field-organisation = المنظمة
field-organisation-hint = الاسم القانوني؛ يُنشر إذا قُبل الطلب.
field-organisation-kind = نوع المنظمة
field-organisation-kind-hint = ما هي المنظمة، لا ما هو المشروع.
organisation-academic = جامعة أو معهد بحوث
organisation-ngo = منظمة غير حكومية غير ربحية
organisation-publicBody = إدارة عامة
organisation-sme = شركة صغيرة أو متوسطة
organisation-industry = شركة أخرى
field-country = البلد
field-country-hint = حرفان من ISO 3166، مثل FI؛ مقر المنظمة.
field-party = أين سيعمل
field-party-hint = احتياطي تخصصه المعاهدة، أو عضو يستضيفك.
field-gpu-hours = ساعات GPU
field-gpu-hours-hint = للمشروع كله: عدد وحدات GPU مضروبًا في الساعات.
field-most-gpus = الحد الأقصى لوحدات GPU في آن واحد
field-most-gpus-hint = في العقدة الكاملة 8.
field-days = الأيام
field-days-hint = مدة الوصول المطلوبة منذ القرار؛ 1096 يومًا على الأكثر.
field-purpose = الغرض
field-purpose-hint = الاستخدام المزدوج يعني عملًا مدنيًا مع استخدام عسكري ممكن.
purpose-civil = مدني
purpose-dualUse = استخدام مزدوج
purpose-military = عسكري
field-dual-use = في حالة الاستخدام المزدوج: أي استخدام عسكري ممكن، وما الذي يبقي العمل مدنيًا
field-dual-use-hint = يقرؤه المراجعون، ورقابة التصدير حيث يقتضي القانون.
field-data-class = فئة بياناتك
field-data-class-hint = بعض البيانات لا تُعالج إلا على عقد معتمدة؛ والمعاهدة تحددها.
data-public = بيانات عامة
field-justification = مبرراتك
field-justification-hint = ماذا ستفعل، ولماذا تحتاج هذه الوحدات، وما الذي يكسبه الجمهور. لا يقرؤها سوى المراجعين.
field-people = أشخاص آخرون
field-people-hint = شخص في كل سطر، بالاسم الذي تعرضه صفحة حسابه، مثل demo:anna.
field-terms = شروط الاستخدام
field-terms-accept = قرأت شروط الاستخدام ({ $name })، وما أصرّح به صحيح.

error-missing = هذا الحقل مطلوب.
error-too-short = قصير جدًا؛ { $name } حرفًا على الأقل.
error-too-long = طويل جدًا؛ { $name } حرفًا على الأكثر.
error-control-character = يحتوي على حرف غير مرئي؛ اكتبه من جديد.
error-number = مطلوب عدد صحيح من 1 إلى { $name }.
error-choose = اختر واحدًا.
error-project-name = أحرف لاتينية صغيرة وأرقام وشرطات فقط، 63 على الأكثر، وحرف أو رقم في البداية والنهاية.
error-project-reserved = هذا الاسم محجوز للعنقود؛ اختر غيره.
error-country = مطلوب حرفان، مثل FI.
error-too-many = العدد كبير؛ { $name } على الأكثر.
error-person = «{ $name }» ليس اسم شخص هنا؛ صيغته provider:person كما في صفحة الحساب.
error-terms = يرجى قبول شروط الاستخدام.
error-score = أعطِ درجة من 1 إلى 5، أو تنحَّ.
error-comment = مطلوب تعليق لا يتجاوز 5000 حرف؛ وفي التنحّي يذكر السبب.
error-grant = مطلوب عدد صحيح لا يتجاوز المطلوب.
error-reason = مطلوب سبب من 20 إلى 5000 حرف.

files = الملفات
files-lead = رسائل وخطط وموافقات أخلاقية. لا يراها سوى المراجعين؛ ويحفظ السجل بصماتها.
files-choose = ملف
files-hint = ‏PDF أو PNG أو JPEG أو نص عادي، 5 ميغابايت على الأكثر؛ عشرة ملفات. احفظ المسودة قبل إضافة ملف.
files-add = إضافة الملف
files-none = لا ملفات.

project-ready = مشروعك { $name } جاهز.
project-submit-job = إرسال مهمة
appeal = التظلّم
appeal-title = التظلّم
appeal-lead = يمكنك أن تطلب مرة واحدة أن ينظر شخص آخر في الأمر من جديد.
appeal-reason = لماذا ينبغي أن يتغير القرار
appeal-reason-hint = ‏20 حرفًا على الأقل.
appeal-send = إرسال التظلّم
withdraw = سحب الطلب
renew = طلب تجديد
extend = طلب تمديد

reviews-title = المراجعات
reviews-lead = ما وُعد به أولًا يأتي أولًا.
reviews-which = أي الطلبات
reviews-open = تنتظر الرد
reviews-all = الكل
reviews-none = لا شيء ينتظر.
reviews-count = المراجعات
reviews-mine = مراجعتك
late = متأخر
due-soon = مستحق خلال يومين
review-concerned = أنت مشارك فيه
review-recused = متنحٍّ
review-done = تمت
review-none = –
review-refused = لم يُسجَّل هذا:
review-case = المبررات
review-others = طلبات أخرى لهذه المنظمة
review-reviews = المراجعات
review-none-yet = لا مراجعات بعد.
review-you = أنت
review-own = مراجعتك
review-recuse = أتنحّى
review-recuse-hint = إذا كانت لك صلة بمقدم الطلب أو المنظمة. اذكرها في التعليق؛ وعندها لا تعطي درجات ولا تقرر.
review-comment = تعليق
review-comment-hint = للمراجعين الآخرين ولمن يقرر؛ لا يراه مقدم الطلب.
review-save = حفظ المراجعة
score-merit = الجدارة
score-feasibility = قابلية التنفيذ
score-public-interest = المصلحة العامة
score-hint = من 1 (ضعيف) إلى 5 (ممتاز).
decide = القرار
decide-appeal = القرار في التظلّم
decide-outcome = النتيجة
decide-approve = قبول
decide-refuse = رفض
decide-grant = في حال القبول: المنحة
grant-gpu-hours = ساعات GPU
grant-gpu-hours-hint = لا أكثر من المطلوب.
grant-most-gpus = الحد الأقصى لوحدات GPU في آن واحد
grant-most-gpus-hint = لا أكثر من المطلوب.
grant-days = أيام الوصول
grant-days-hint = ابتداءً من اليوم.
decide-reason = السبب
decide-reason-hint = يقرؤه مقدم الطلب حرفيًا؛ 20 حرفًا على الأقل.
decide-clauses = بنود المعاهدة
decide-clauses-hint = التي يستند إليها القرار، مفصولة بفواصل؛ يجوز تركها فارغة.
decide-send = إصدار القرار
cannot-concerned = أنت مشارك في هذا الطلب، لذلك لا تراجعه ولا تقرر فيه.
cannot-recused = تنحّيت، لذلك يقرر شخص آخر.
cannot-decided = صدر القرار.
cannot-refused-it = أنت رفضته، لذلك يقرر شخص آخر في التظلّم.
cannot-alone = يحتاج القرار أولًا إلى مراجعة شخص آخر.

awards-title = المنح
awards-lead = ما مُنح ولمن ولماذا وبموجب أي معاهدة. لا يُذكر أي شخص.
awards-none = لم يُمنح شيء بعد.
awards-decided = مُنح في
awards-until = حتى
promises-title = الردود: الموعود والمنجز
promises-lead = كم ينتظر مقدمو الطلبات الرد، إلى جانب ما تعدهم به المعاهدة.
promises-promised = الموعود
promises-answered = أُجيب
promises-approved = قُبل
promises-median = الوسيط
promises-longest = الأطول
promises-late = متأخر
promises-open = مفتوح
promises-overdue = فات موعده
promises-at-once = فورًا

due-title = مواعيدك
due-answer = موعد الرد الموعود
due-grant-ends = تنتهي المنحة
