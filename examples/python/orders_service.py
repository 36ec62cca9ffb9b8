"""The call to the orders service that the original program makes; it has its own. Here to run the example."""

import base64
import hashlib
import hmac
import json
import time
import urllib.request


class OrdersService:
    def __init__(self, url, jwt_secret, user_id):
        self.url = url.rstrip("/")
        self.jwt_secret = jwt_secret
        self.user_id = user_id

    def update_stock_status(self, token_id, order_id, is_stock_updated):
        path = f"/api/v1/orders/{order_id}/stock-status?token_id={token_id}"
        request = urllib.request.Request(self.url + path, method="PATCH")
        request.data = json.dumps({"is_stock_updated": is_stock_updated}).encode()
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Bearer {self._token()}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()

    def _token(self):
        claims = {"user_id": self.user_id, "username": "shop", "exp": int(time.time()) + 600}
        parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        signature = hmac.new(self.jwt_secret.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
        return ".".join([*parts, _base64(signature)])


def _base64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
