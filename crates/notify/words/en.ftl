# What Saldo tells people in English. Every language has the same messages, attributes and variables: a test
# compares them. $title and the like come from other messages; what stands in code marks comes from outside.

severity-critical = Critical
severity-warning = Warning
severity-notice = Notice

headline-begun = { $severity }: { $title }
headline-worse = { $severity }, twice as many as before: { $title }
headline-reminder = Still so, for { $lasted }: { $title }
headline-ended = Resolved: { $title }

subject = Saldo: { $headline }
subject-more = { $count ->
    [one] Saldo: { $headline } (and one more)
   *[other] Saldo: { $headline } (and { $count } more)
}

begun-at = Since { $begun }.
ended-after = Resolved after { $lasted }.
ended-after-delivered = { $delivered ->
    [one] Resolved after { $lasted }; one operation delivered.
   *[other] Resolved after { $lasted }; { $delivered } operations delivered.
}
ended-span = It lasted from { $begun } to { $ended }.
last-error = Last error: { $error }
what-to-do = What to do: { $todo }
details = Details: { $link }
footer = You get this because this address is set in Saldo's configuration, section [channels].
left-off = { $count ->
    [one] One more alert is left off here.
   *[other] { $count } more alerts are left off here.
}

duration-seconds = { $seconds } s
duration-minutes = { $minutes } min
duration-hours = { $hours } h { $minutes } min
duration-days = { $days ->
    [one] { $days } day { $hours } h
   *[other] { $days } days { $hours } h
}

example-shortage = Account { $account }, order { $order }: SKU { $sku }, warehouse { $warehouse }: required { $required }, available { $available }, short { $short } (since { $at })
example-order = Account { $account }, order { $order }: { $error } (since { $at })
example-more = { $count ->
    [one] … and one more
   *[other] … and { $count } more
}

orders_service_down = The orders service cannot be used
    .facts = { $count ->
        [0] No operation waits for it at the moment.
        [one] One operation waits for it and keeps its retries.
       *[other] { $count } operations wait for it and keep their retries.
    }
    .todo = Check that the orders service and its database run. Saldo asks again every minute, and delivers by itself what waits.

credentials_refused = The orders service refuses Saldo's credentials
    .facts = { $count ->
        [0] No operation waits at the moment.
        [one] One operation waits.
       *[other] { $count } operations wait.
    }
    .todo = Set orders_service.jwt_secret to the service's JWT_SECRET_KEY and user_id to the owner of the accounts, and restart Saldo. Nothing is lost meanwhile.

storage_trouble = The database fails
    .facts = New orders may be refused until it works again. What was acknowledged is on the disk.
    .todo = Look at the disk: free space, permissions, errors. Then run “saldo doctor”.

max_pending = Far too many operations wait for delivery
    .facts = { $count ->
        [one] One operation waits; the limit is { $limit }.
       *[other] { $count } operations wait; the limit is { $limit }.
    }
    .todo = Run “saldo status”: is the orders service slow, or are too few calls allowed (orders_service.requests_per_second)? Orders are taken in all the same.

account_unusable = Account { $account } cannot be used
    .facts = The orders service does not know the account any more. Its orders wait; the other accounts go on.
    .todo = Connect the account again at the orders service. Saldo finds out by itself, and delivers what waits.

high_pending_operations = Many operations wait for delivery
    .facts = { $count ->
        [one] One operation waits; the threshold is { $limit }.
       *[other] { $count } operations wait; the threshold is { $limit }.
    }
    .todo = Run “saldo pending” to see what they wait for. If the orders service is well, they are delivered by themselves.

sync_failure_rate = Too many attempts to tell the orders service fail
    .facts = { $percent } % of the attempts of the last { $window } minutes failed; the threshold is { $limit_percent } %.
    .todo = Read the last error, and look at the log of the orders service. Saldo tries each again by itself.

stale_operations = Operations have waited for too long
    .facts = { $count ->
        [one] One operation has waited for more than { $limit } h.
       *[other] { $count } operations have waited for more than { $limit } h.
    }
    .todo = Run “saldo pending”, then “saldo show ID” for one of them: its log says what is in the way.

failed_retries = Operations were given up
    .facts = { $count ->
        [one] For one operation every retry was used up, or the orders service refused it.
       *[other] For { $count } operations every retry was used up, or the orders service refused them.
    }
    .todo = Read the reviews with “saldo reviews”; when the cause is mended, run “saldo retry --failed”.

stock_shortage = The stock does not suffice
    .facts = { $count ->
        [one] One order waits for stock. Nothing was taken for it.
       *[other] { $count } orders wait for stock. Nothing was taken for them.
    }
    .todo = Receive the goods (“saldo stock receive”), correct the count, or answer the review. After a receipt Saldo tries the orders again by itself.

reconciliation_discrepancies = Warehouse and orders service disagree
    .facts = { $count ->
        [one] One difference waits for a person.
       *[other] { $count } differences wait for a person.
    }
    .todo = Read the reviews with “saldo reviews” and answer each.

task_missed = Task { $task } did not run
    .facts = It was due at { $since }.
    .todo = Look at Saldo's log; if the server runs, run “saldo doctor”.

low_disk_space = The database's disk is nearly full
    .facts = { $count } MiB are free where the database is; there should be at least { $limit } MiB.
    .todo = Free space on that disk, or give it more. Once it is full, new orders are refused.

live_orders_broken = The orders service's copies of orders are frozen
    .facts = Its single-order call is broken: cancellations, payments and changes reach Saldo only as posted forms.
    .todo = Mend the orders service, or post changed forms to Saldo. Orders that stay unpaid are put before you as a review.

test-subject = Saldo: a test message
test-body = This is a test of Saldo's messages, asked for with “saldo doctor --send-test”. If you can read it, this channel works: Łódź, Ирина, <b>&amp;.
