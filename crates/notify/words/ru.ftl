# Что Saldo говорит людям по-русски.

severity-critical = Критично
severity-warning = Предупреждение
severity-notice = К сведению

headline-begun = { $severity }: { $title }
headline-worse = { $severity }, вдвое больше прежнего: { $title }
headline-reminder = Всё ещё, уже { $lasted }: { $title }
headline-ended = Решено: { $title }

subject = Saldo: { $headline }
subject-more = { $count ->
    [one] Saldo: { $headline } (и ещё { $count } оповещение)
    [few] Saldo: { $headline } (и ещё { $count } оповещения)
    [many] Saldo: { $headline } (и ещё { $count } оповещений)
   *[other] Saldo: { $headline } (и ещё { $count } оповещения)
}

begun-at = С { $begun }.
ended-after = Решено через { $lasted }.
ended-after-delivered = { $delivered ->
    [one] Решено через { $lasted }; доставлена { $delivered } операция.
    [few] Решено через { $lasted }; доставлены { $delivered } операции.
    [many] Решено через { $lasted }; доставлено { $delivered } операций.
   *[other] Решено через { $lasted }; доставлено { $delivered } операции.
}
ended-span = Длилось с { $begun } до { $ended }.
last-error = Последняя ошибка: { $error }
what-to-do = Что делать: { $todo }
details = Подробнее: { $link }
footer = Вы получили это письмо, потому что этот адрес указан в настройках Saldo, раздел [channels].
left-off = { $count ->
    [one] Ещё { $count } оповещение не показано.
    [few] Ещё { $count } оповещения не показаны.
    [many] Ещё { $count } оповещений не показано.
   *[other] Ещё { $count } оповещения не показано.
}

duration-seconds = { $seconds } с
duration-minutes = { $minutes } мин
duration-hours = { $hours } ч { $minutes } мин
duration-days = { $days ->
    [one] { $days } день { $hours } ч
    [few] { $days } дня { $hours } ч
    [many] { $days } дней { $hours } ч
   *[other] { $days } дня { $hours } ч
}

example-shortage = Аккаунт { $account }, заказ { $order }: SKU { $sku }, склад { $warehouse }: нужно { $required }, доступно { $available }, не хватает { $short } (с { $at })
example-order = Аккаунт { $account }, заказ { $order }: { $error } (с { $at })
example-more = { $count ->
    [one] … и ещё { $count }
    [few] … и ещё { $count }
    [many] … и ещё { $count }
   *[other] … и ещё { $count }
}

orders_service_down = Сервис заказов недоступен
    .facts = { $count ->
        [0] Сейчас ни одна операция его не ждёт.
        [one] Его ждёт { $count } операция и сохраняет свои попытки.
        [few] Его ждут { $count } операции и сохраняют свои попытки.
        [many] Его ждут { $count } операций и сохраняют свои попытки.
       *[other] Его ждут { $count } операции и сохраняют свои попытки.
    }
    .todo = Проверьте, что сервис заказов и его база данных работают. Saldo спрашивает снова каждую минуту и само доставит то, что ждёт.

credentials_refused = Сервис заказов не принимает учётные данные Saldo
    .facts = { $count ->
        [0] Сейчас ни одна операция не ждёт.
        [one] Ждёт { $count } операция.
        [few] Ждут { $count } операции.
        [many] Ждут { $count } операций.
       *[other] Ждут { $count } операции.
    }
    .todo = Укажите в orders_service.jwt_secret значение JWT_SECRET_KEY сервиса, а в user_id владельца аккаунтов, и перезапустите Saldo. За это время ничего не теряется.

storage_trouble = База данных не работает
    .facts = Пока она не заработает, новые заказы могут отклоняться. Всё, что было подтверждено, записано на диск.
    .todo = Проверьте диск: свободное место, права, ошибки. Затем выполните «saldo doctor».

max_pending = Доставки ждёт слишком много операций
    .facts = { $count ->
        [one] Ждёт { $count } операция; предел: { $limit }.
        [few] Ждут { $count } операции; предел: { $limit }.
        [many] Ждут { $count } операций; предел: { $limit }.
       *[other] Ждут { $count } операции; предел: { $limit }.
    }
    .todo = Выполните «saldo status»: сервис заказов медленный или разрешено слишком мало вызовов (orders_service.requests_per_second)? Заказы всё равно принимаются.

account_unusable = Аккаунт { $account } недоступен
    .facts = Сервис заказов больше не знает этот аккаунт. Его заказы ждут; остальные аккаунты работают.
    .todo = Подключите аккаунт заново в сервисе заказов. Saldo само это заметит и доставит то, что ждёт.

high_pending_operations = Доставки ждёт много операций
    .facts = { $count ->
        [one] Ждёт { $count } операция; порог: { $limit }.
        [few] Ждут { $count } операции; порог: { $limit }.
        [many] Ждут { $count } операций; порог: { $limit }.
       *[other] Ждут { $count } операции; порог: { $limit }.
    }
    .todo = Выполните «saldo pending», чтобы увидеть, чего они ждут. Если сервис заказов в порядке, они будут доставлены сами.

sync_failure_rate = Слишком много попыток сообщить сервису заказов не удаётся
    .facts = Не удалось { $percent } % попыток за последние { $window } мин; порог: { $limit_percent } %.
    .todo = Прочтите последнюю ошибку и посмотрите журнал сервиса заказов. Saldo само повторяет каждую попытку.

stale_operations = Операции ждут слишком долго
    .facts = { $count ->
        [one] { $count } операция ждёт дольше { $limit } ч.
        [few] { $count } операции ждут дольше { $limit } ч.
        [many] { $count } операций ждут дольше { $limit } ч.
       *[other] { $count } операции ждут дольше { $limit } ч.
    }
    .todo = Выполните «saldo pending», затем «saldo show ID» для одной из них: её журнал говорит, что мешает.

failed_retries = Попытки доставить операции исчерпаны
    .facts = { $count ->
        [one] У { $count } операции исчерпаны попытки, или сервис заказов её отклонил.
        [few] У { $count } операций исчерпаны попытки, или сервис заказов их отклонил.
        [many] У { $count } операций исчерпаны попытки, или сервис заказов их отклонил.
       *[other] У { $count } операции исчерпаны попытки, или сервис заказов их отклонил.
    }
    .todo = Посмотрите вопросы командой «saldo reviews»; устранив причину, выполните «saldo retry --failed».

stock_shortage = Не хватает товара
    .facts = { $count ->
        [one] { $count } заказ ждёт товара. Для него ничего не списано.
        [few] { $count } заказа ждут товара. Для них ничего не списано.
        [many] { $count } заказов ждут товара. Для них ничего не списано.
       *[other] { $count } заказа ждут товара. Для них ничего не списано.
    }
    .todo = Оприходуйте товар («saldo stock receive»), исправьте остаток или ответьте на вопрос. После прихода Saldo само попробует снова.

reconciliation_discrepancies = Склад и сервис заказов расходятся
    .facts = { $count ->
        [one] { $count } расхождение ждёт человека.
        [few] { $count } расхождения ждут человека.
        [many] { $count } расхождений ждут человека.
       *[other] { $count } расхождения ждут человека.
    }
    .todo = Посмотрите вопросы командой «saldo reviews» и ответьте на каждый.

task_missed = Задача { $task } не выполнена
    .facts = Её срок был { $since }.
    .todo = Посмотрите журнал Saldo; если сервер работает, выполните «saldo doctor».

low_disk_space = Диск базы данных почти заполнен
    .facts = Там, где база данных, свободно { $count } МиБ; должно быть не меньше { $limit } МиБ.
    .todo = Освободите место на этом диске или увеличьте его. Когда он заполнится, новые заказы будут отклоняться.

live_orders_broken = Копии заказов в сервисе заказов заморожены
    .facts = Его вызов одного заказа не работает: отмены, оплаты и изменения доходят до Saldo только присланными формами.
    .todo = Почините сервис заказов или присылайте изменённые формы в Saldo. Долго не оплаченные заказы придут к вам вопросом.

test-subject = Saldo: проверочное сообщение
test-body = Это проверка сообщений Saldo, вызванная командой «saldo doctor --send-test». Если вы можете это прочесть, канал работает: Łódź, Ирина, <b>&amp;.
