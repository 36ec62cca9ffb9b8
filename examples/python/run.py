"""Runs the example: takes checkout forms, one JSON a line, from standard input, and tells what became of each.

    SALDO_SERVER=http://127.0.0.1:8080 ORDERS_URL=http://127.0.0.1:8000 ORDERS_JWT_SECRET=… ORDERS_USER=… \
    TOKEN_ID=… python3 run.py < forms.ndjson
"""

import json
import os
import sys

from orders_service import OrdersService
from saldo import Saldo
from shop import ShopWithSaldo


def main():
    setting = os.environ
    saldo = Saldo(setting["SALDO_SERVER"], setting.get("SALDO_KEY"), pause_seconds=0.1)
    orders_service = OrdersService(setting["ORDERS_URL"], setting["ORDERS_JWT_SECRET"], setting["ORDERS_USER"])
    shop = ShopWithSaldo({("MUG", "Ирина"): 100}, orders_service, saldo)
    token_id = setting["TOKEN_ID"]
    for line in sys.stdin:
        form = json.loads(line)
        # Webhooks come twice, people click twice: both ways a repeat takes nothing more.
        shop.process_new_order(token_id, form)
        shop.process_new_order(token_id, form)
        sale = shop.get_sale_by_order(token_id, form["id"]) or {}
        told = {
            "order_id": form["id"],
            "by": "old way" if form["id"] in shop.sales else "saldo",
            "taken": {sku: units for (sku, _), units in sale.items()},
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
