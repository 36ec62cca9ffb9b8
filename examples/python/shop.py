"""The shop's own program, before and after: one function deducts a sale, one tells what an order has taken.

`Shop` is what the original program had: its own stock, and a call that tells the orders service. `ShopWithSaldo` is
the same program on its way to Saldo. It needs no switch of its own: it posts every order to Saldo first, and Saldo's
answer says who deducts it. So the modes off, shadow, partial and on are changed in Saldo alone.
"""

from saldo import Refused, who_acts


class Shop:
    """The old way: its own inventory, and its own calls to the orders service."""

    def __init__(self, stock, orders_service):
        self.stock = dict(stock)
        self.orders_service = orders_service
        self.sales = {}

    def remove_as_sale(self, sku, warehouse, quantity):
        self.stock[(sku, warehouse)] = self.stock.get((sku, warehouse), 0) - quantity

    def get_sale_by_order(self, order_id):
        return self.sales.get(order_id)

    def process_new_order(self, token_id, form, warehouse="Ирина"):
        """As it always was: deduct every line, then tell the orders service."""
        if form["id"] in self.sales:
            return
        sale = {}
        for line in form["lineItems"]:
            sku = line["offer"]["external"]["id"]
            self.remove_as_sale(sku, warehouse, line["quantity"])
            sale[(sku, warehouse)] = sale.get((sku, warehouse), 0) + line["quantity"]
        self.sales[form["id"]] = sale
        self.orders_service.update_stock_status(token_id, form["id"], True)


class ShopWithSaldo(Shop):
    """The same program beside Saldo."""

    def __init__(self, stock, orders_service, saldo):
        super().__init__(stock, orders_service)
        self.saldo = saldo

    def process_new_order(self, token_id, form, warehouse="Ирина"):
        try:
            answer = self.saldo.process_order(token_id, form, warehouse)
        except Refused as refused:
            if refused.code != "mode_off":
                raise
            # Saldo is off, and says so: everything stays as it was.
            return super().process_new_order(token_id, form, warehouse)
        if who_acts(answer) == "old way":
            # In shadow Saldo has noted what it would have done, and does nothing. The old way does what it always did,
            # and the report compares both.
            return super().process_new_order(token_id, form, warehouse)
        # Saldo has deducted it, or waits for payment, stock or a person, and tells the orders service itself. The old
        # way does nothing, or the stock would be taken twice.
        return None

    def get_sale_by_order(self, token_id, order_id):
        """Who deducted it knows it."""
        sale = self.saldo.get_sale_by_order(token_id, order_id)
        return sale["taken"] if sale else super().get_sale_by_order(order_id)
