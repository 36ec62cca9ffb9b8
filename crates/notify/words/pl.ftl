# Co Saldo mówi ludziom po polsku.

severity-critical = Krytyczne
severity-warning = Ostrzeżenie
severity-notice = Informacja

headline-begun = { $severity }: { $title }
headline-worse = { $severity }, dwa razy więcej niż poprzednio: { $title }
headline-reminder = Nadal trwa ({ $lasted }): { $title }
headline-ended = Rozwiązane: { $title }

subject = Saldo: { $headline }
subject-more = { $count ->
    [one] Saldo: { $headline } (i jeszcze jeden alert)
    [few] Saldo: { $headline } (i jeszcze { $count } alerty)
    [many] Saldo: { $headline } (i jeszcze { $count } alertów)
   *[other] Saldo: { $headline } (i jeszcze { $count } alertu)
}

begun-at = Od { $begun }.
ended-after = Rozwiązane, czas trwania: { $lasted }.
ended-after-delivered = { $delivered ->
    [one] Rozwiązane, czas trwania: { $lasted }; dostarczono jedną operację.
    [few] Rozwiązane, czas trwania: { $lasted }; dostarczono { $delivered } operacje.
    [many] Rozwiązane, czas trwania: { $lasted }; dostarczono { $delivered } operacji.
   *[other] Rozwiązane, czas trwania: { $lasted }; dostarczono { $delivered } operacji.
}
ended-span = Trwało od { $begun } do { $ended }.
last-error = Ostatni błąd: { $error }
what-to-do = Co zrobić: { $todo }
details = Szczegóły: { $link }
footer = Ta wiadomość przyszła, ponieważ ten adres jest wpisany w konfiguracji Saldo, w sekcji [channels].
left-off = { $count ->
    [one] Jeden alert pominięto.
    [few] { $count } alerty pominięto.
    [many] { $count } alertów pominięto.
   *[other] { $count } alertu pominięto.
}

duration-seconds = { $seconds } s
duration-minutes = { $minutes } min
duration-hours = { $hours } godz. { $minutes } min
duration-days = { $days ->
    [one] { $days } dzień { $hours } godz.
    [few] { $days } dni { $hours } godz.
    [many] { $days } dni { $hours } godz.
   *[other] { $days } dnia { $hours } godz.
}

example-shortage = Konto { $account }, zamówienie { $order }: SKU { $sku }, magazyn { $warehouse }: potrzeba { $required }, dostępne { $available }, brakuje { $short } (od { $at })
example-order = Konto { $account }, zamówienie { $order }: { $error } (od { $at })
example-more = { $count ->
    [one] … i jeszcze jedno
    [few] … i jeszcze { $count }
    [many] … i jeszcze { $count }
   *[other] … i jeszcze { $count }
}

orders_service_down = Serwis zamówień nie działa
    .facts = { $count ->
        [0] W tej chwili żadna operacja na niego nie czeka.
        [one] Jedna operacja czeka na niego i zachowuje swoje próby.
        [few] { $count } operacje czekają na niego i zachowują swoje próby.
        [many] { $count } operacji czeka na niego i zachowuje swoje próby.
       *[other] { $count } operacji czeka na niego i zachowuje swoje próby.
    }
    .todo = Sprawdź, czy serwis zamówień i jego baza danych działają. Saldo pyta ponownie co minutę i samo dostarczy to, co czeka.

credentials_refused = Serwis zamówień odrzuca dane logowania Saldo
    .facts = { $count ->
        [0] W tej chwili żadna operacja nie czeka.
        [one] Jedna operacja czeka.
        [few] { $count } operacje czekają.
        [many] { $count } operacji czeka.
       *[other] { $count } operacji czeka.
    }
    .todo = Ustaw orders_service.jwt_secret na JWT_SECRET_KEY serwisu, a user_id na właściciela kont, i uruchom Saldo ponownie. W tym czasie nic nie ginie.

storage_trouble = Baza danych zawodzi
    .facts = Dopóki nie zadziała, nowe zamówienia mogą być odrzucane. To, co zostało potwierdzone, jest na dysku.
    .todo = Sprawdź dysk: wolne miejsce, uprawnienia, błędy. Potem uruchom „saldo doctor”.

max_pending = Zdecydowanie za dużo operacji czeka na dostarczenie
    .facts = { $count ->
        [one] Czeka jedna operacja; limit to { $limit }.
        [few] Czekają { $count } operacje; limit to { $limit }.
        [many] Czeka { $count } operacji; limit to { $limit }.
       *[other] Czeka { $count } operacji; limit to { $limit }.
    }
    .todo = Uruchom „saldo status”: czy serwis zamówień jest wolny, czy dozwolono za mało wywołań (orders_service.requests_per_second)? Zamówienia są mimo to przyjmowane.

account_unusable = Konta { $account } nie można używać
    .facts = Serwis zamówień nie zna już tego konta. Jego zamówienia czekają; pozostałe konta działają.
    .todo = Połącz konto ponownie w serwisie zamówień. Saldo samo to zauważy i dostarczy to, co czeka.

high_pending_operations = Wiele operacji czeka na dostarczenie
    .facts = { $count ->
        [one] Czeka jedna operacja; próg to { $limit }.
        [few] Czekają { $count } operacje; próg to { $limit }.
        [many] Czeka { $count } operacji; próg to { $limit }.
       *[other] Czeka { $count } operacji; próg to { $limit }.
    }
    .todo = Uruchom „saldo pending”, aby zobaczyć, na co czekają. Jeśli serwis zamówień działa, zostaną dostarczone same.

sync_failure_rate = Zbyt wiele prób powiadomienia serwisu zamówień zawodzi
    .facts = { $percent } % prób z ostatnich { $window } minut nie powiodło się; próg to { $limit_percent } %.
    .todo = Przeczytaj ostatni błąd i zajrzyj do logu serwisu zamówień. Saldo samo ponawia każdą próbę.

stale_operations = Operacje czekają za długo
    .facts = { $count ->
        [one] Jedna operacja czeka dłużej niż { $limit } godz.
        [few] { $count } operacje czekają dłużej niż { $limit } godz.
        [many] { $count } operacji czeka dłużej niż { $limit } godz.
       *[other] { $count } operacji czeka dłużej niż { $limit } godz.
    }
    .todo = Uruchom „saldo pending”, a potem „saldo show ID” dla jednej z nich: jej log mówi, co stoi na przeszkodzie.

failed_retries = Zrezygnowano z operacji
    .facts = { $count ->
        [one] Dla jednej operacji wyczerpano próby albo serwis zamówień ją odrzucił.
        [few] Dla { $count } operacji wyczerpano próby albo serwis zamówień je odrzucił.
        [many] Dla { $count } operacji wyczerpano próby albo serwis zamówień je odrzucił.
       *[other] Dla { $count } operacji wyczerpano próby albo serwis zamówień je odrzucił.
    }
    .todo = Przejrzyj sprawy poleceniem „saldo reviews”; po usunięciu przyczyny uruchom „saldo retry --failed”.

stock_shortage = Brakuje towaru
    .facts = { $count ->
        [one] Jedno zamówienie czeka na towar. Nic dla niego nie pobrano.
        [few] { $count } zamówienia czekają na towar. Nic dla nich nie pobrano.
        [many] { $count } zamówień czeka na towar. Nic dla nich nie pobrano.
       *[other] { $count } zamówienia czeka na towar. Nic dla nich nie pobrano.
    }
    .todo = Przyjmij towar („saldo stock receive”), popraw stan albo odpowiedz na sprawę. Po przyjęciu Saldo samo spróbuje ponownie.

reconciliation_discrepancies = Magazyn i serwis zamówień się nie zgadzają
    .facts = { $count ->
        [one] Jedna różnica czeka na człowieka.
        [few] { $count } różnice czekają na człowieka.
        [many] { $count } różnic czeka na człowieka.
       *[other] { $count } różnicy czeka na człowieka.
    }
    .todo = Przejrzyj sprawy poleceniem „saldo reviews” i odpowiedz na każdą.

task_missed = Zadanie { $task } nie zostało wykonane
    .facts = Jego termin minął { $since }.
    .todo = Zajrzyj do logu Saldo; jeśli serwer działa, uruchom „saldo doctor”.

low_disk_space = Dysk bazy danych jest prawie pełny
    .facts = Tam, gdzie jest baza danych, wolne jest { $count } MiB; powinno być co najmniej { $limit } MiB.
    .todo = Zwolnij miejsce na tym dysku albo go powiększ. Gdy się zapełni, nowe zamówienia będą odrzucane.

live_orders_broken = Kopie zamówień w serwisie zamówień są zamrożone
    .facts = Jego wywołanie pojedynczego zamówienia nie działa: anulowania, płatności i zmiany docierają do Saldo tylko jako przesłane formularze.
    .todo = Napraw serwis zamówień albo przesyłaj zmienione formularze do Saldo. Zamówienia długo nieopłacone trafią do ciebie jako sprawa.

test-subject = Saldo: wiadomość testowa
test-body = To jest test wiadomości Saldo, wysłany poleceniem „saldo doctor --send-test”. Jeśli możesz to przeczytać, ten kanał działa: Łódź, Ирина, <b>&amp;.
