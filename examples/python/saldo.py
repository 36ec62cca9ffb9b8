"""A client of Saldo that needs nothing but Python: what the shop's own program calls instead of its inventory.

The original program deducted with `inventory_manager.remove_as_sale(sku, warehouse, quantity)` and asked with
`inventory_manager.get_sale_by_order(order_id)`. Both are here, with the account and the order said besides: they are
what makes a repeat harmless.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request

# How often a request is repeated that was not answered. Every request here may be repeated: Saldo answers a repeat
# with what it did the first time.
ATTEMPTS_MAX = 5


class Refused(Exception):
    """Saldo said no. `code` is a stable word, listed in docs/problems.md."""

    def __init__(self, status, problem):
        super().__init__(problem.get("detail", f"the server answered {status}"))
        self.status = status
        self.code = problem.get("code", "")


class Unreachable(Exception):
    """Nobody answered. It is not known whether the request was done; ask again later, a repeat is harmless."""


class Saldo:
    def __init__(self, url, key=None, timeout_seconds=10, pause_seconds=1.0):
        self.url = url.rstrip("/")
        self.key = key
        self.timeout_seconds = timeout_seconds
        self.pause_seconds = pause_seconds

    def process_order(self, token_id, form, warehouse=None, force=False):
        """Hands a whole checkout form over, as Allegro gives it. This is the call to prefer: all lines are deducted or
        none, and later copies of the form (cancelled, changed, merged) are understood."""
        body = {"token_id": token_id, "order": form}
        if warehouse is not None:
            body["warehouse"] = warehouse
        if force:
            body["force"] = True
        return self._ask("POST", "/api/v1/stock-sync/orders", body)

    def remove_as_sale(self, token_id, order_id, sku, warehouse, quantity, line_item_id=None):
        """One line, as the original program deducted it. Twice is the same as once."""
        body = {"token_id": token_id, "order_id": order_id, "sku": sku, "quantity": quantity, "warehouse": warehouse}
        if line_item_id is not None:
            body["line_item_id"] = line_item_id
        return self._ask("POST", "/api/v1/stock-sync/deductions", body)

    def get_sale_by_order(self, token_id, order_id):
        """What was taken for an order: `{"taken": {(sku, warehouse): units}, "told": bool, …}`, or None when Saldo does
        not know the order or has taken nothing for it."""
        path = f"/api/v1/stock-sync/orders/{_quoted(token_id)}/{_quoted(order_id)}"
        try:
            order = self._ask("GET", path)
        except Refused as refused:
            if refused.code == "order_unknown":
                return None
            raise
        taken = {}
        for line in order["lines"]:
            for part in line["parts"]:
                if part["taken"]:
                    place = (part["sku"], part["warehouse"])
                    taken[place] = taken.get(place, 0) + part["taken"]
        if not taken:
            return None
        return {
            "order_id": order["order_id"],
            "taken": taken,
            # Whether the orders service has confirmed it.
            "told": order["flag"]["confirmed"] is True,
            "standing": order["standing"],
        }

    def mode(self):
        return self._ask("GET", "/api/v1/stock-sync/mode")

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.key:
            request.add_header("Authorization", f"Bearer {self.key}")
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout_seconds) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                with error:
                    problem = _problem(error)
                if error.code != 503:
                    raise Refused(error.code, problem) from None
                why = problem.get("detail", "503")
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                why = str(error)
            if attempt < ATTEMPTS_MAX:
                time.sleep(self.pause_seconds)
        raise Unreachable(f"{method} {path}: {why}")


def who_acts(answer):
    """Who deducts an order, by Saldo's answer to it: "saldo" or "old way". An order that Saldo has left to the old way
    stays there, in every later mode."""
    left = {"shadow", "old_way", "before_start"}
    if answer["status"] == "skipped" and answer["error"] in left:
        return "old way"
    return "saldo"


def _quoted(text):
    return urllib.parse.quote(str(text), safe="")


def _problem(error):
    try:
        problem = json.load(error)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
