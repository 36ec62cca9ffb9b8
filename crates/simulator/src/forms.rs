//! Checkout forms: what Allegro calls an order, made up from a seed or written by a test.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use uuid::{Builder, Uuid};

/// The form of one order.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// Given by a test or a control call.
    Written(Arc<Value>),
    /// Made up, and rendered again at each reading: keeping the text of every order would cost gigabytes.
    Seeded(SeededForm),
}

/// The fields of the buyer that the service searches.
pub(crate) struct SearchFields {
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) login: String,
    pub(crate) company: String,
}

/// What a made-up form follows from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeededForm {
    pub(crate) seed: u64,
    pub(crate) bought_at: Timestamp,
    pub(crate) status: &'static str,
    pub(crate) has_two_lines: bool,
    /// Whether this is the later revision, which only Allegro knows.
    pub(crate) has_moved_on: bool,
    pub(crate) sku_count: u32,
    pub(crate) lines_without_sku_share: f64,
}

const FIRST_NAMES: [&str; 8] = [
    "Małgorzata",
    "Łukasz",
    "Jan",
    "Anna",
    "Юлія",
    "Zoë",
    "Paweł",
    "Олена",
];
const LAST_NAMES: [&str; 8] = [
    "Dąbrowska",
    "Święcicki",
    "Kowalski",
    "Wójcik",
    "Ковальчук",
    "O'Brien-Łoś",
    "Nowak",
    "Шевченко",
];
const CITIES: [(&str, &str); 4] = [
    ("Łódź", "90-001"),
    ("Kraków", "31-042"),
    ("Poznań", "60-166"),
    ("Warszawa", "00-001"),
];
const STREETS: [&str; 4] = [
    "Piotrkowska 120/3",
    "Rynek Główny 1",
    "Solna 12",
    "Świętego Marcina 24",
];
const PRODUCTS: [&str; 5] = [
    "Świeca sojowa wanilia",
    "Kubek ceramiczny 330 ml",
    "Filtr wody wkład 3 szt.",
    "Шапка зимова",
    "Zestaw śrubokrętów",
];
const MESSAGES: [Option<&str>; 4] = [
    None,
    None,
    Some("Proszę o szybką wysyłkę ❤"),
    Some("Прошу подзвонити перед відправкою"),
];

struct Buyer {
    id: u32,
    email: String,
    first_name: &'static str,
    last_name: &'static str,
    company: Option<&'static str>,
}

fn pick<T: Copy>(generator: &mut ChaCha8Rng, choices: &[T]) -> T {
    choices[generator.random_range(0..choices.len())]
}

fn uuid(generator: &mut ChaCha8Rng) -> Uuid {
    let mut bytes = [0; 16];
    generator.fill_bytes(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid()
}

fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn zlotys(amount_grosze: u64) -> Value {
    json!({"amount": format!("{}.{:02}", amount_grosze / 100, amount_grosze % 100), "currency": "PLN"})
}

impl SeededForm {
    fn generator(&self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed)
    }

    /// The order id is the first draw, so that it can be known without rendering the form.
    pub(crate) fn order_id(&self) -> Uuid {
        uuid(&mut self.generator())
    }

    fn buyer(generator: &mut ChaCha8Rng) -> Buyer {
        let id = generator.random_range(10_000_000..100_000_000_u32);
        let address: u64 = generator.random();
        Buyer {
            id,
            email: format!(
                "{:09x}+{:09x}@allegromail.pl",
                address >> 28,
                address & 0xf_ffff_ffff
            ),
            first_name: pick(generator, &FIRST_NAMES),
            last_name: pick(generator, &LAST_NAMES),
            company: if generator.random_bool(0.2) {
                Some("Żółw Sp. z o.o.")
            } else {
                None
            },
        }
    }

    fn line(&self, generator: &mut ChaCha8Rng) -> (Value, u64) {
        let line_id = uuid(generator);
        let product = generator.random_range(1..=self.sku_count.max(1));
        let quantity = generator.random_range(1..=3_u64);
        let price_grosze = generator.random_range(999..20_000_u64);
        let is_without_sku = generator.random_bool(self.lines_without_sku_share.clamp(0.0, 1.0));
        let external = if is_without_sku {
            Value::Null
        } else {
            json!({"id": format!("SKU-{product:04}")})
        };
        let name = PRODUCTS[product as usize % PRODUCTS.len()];
        let line = json!({
            "id": line_id,
            "offer": {
                "id": (15_200_000_000_u64 + u64::from(product)).to_string(),
                "name": format!("{name} #{product}"),
                "external": external,
                "productSet": null,
            },
            "quantity": quantity,
            "originalPrice": zlotys(price_grosze),
            "price": zlotys(price_grosze),
            "reconciliation": null,
            "selectedAdditionalServices": [],
            "vouchers": [],
            "tax": {"rate": "23.00", "subject": "GOODS", "exemption": null},
            "deposit": null,
            "boughtAt": instant(self.bought_at),
            "discounts": [],
        });
        (line, price_grosze * quantity)
    }

    fn render(&self) -> Map<String, Value> {
        let mut generator = self.generator();
        let order_id = uuid(&mut generator);
        let buyer = Self::buyer(&mut generator);
        let payment_id = uuid(&mut generator);
        let method_id = uuid(&mut generator);
        let mut revision: u32 = generator.random();
        let message = pick(&mut generator, &MESSAGES);
        let (city, post_code) = pick(&mut generator, &CITIES);
        let street = pick(&mut generator, &STREETS);
        let phone = format!("+48 {}", generator.random_range(500_000_000..700_000_000_u32));
        let line_count = if self.has_two_lines { 2 } else { 1 };
        let lines: Vec<(Value, u64)> = (0..line_count).map(|_| self.line(&mut generator)).collect();
        let total_grosze = lines.iter().map(|(_, amount_grosze)| amount_grosze).sum();
        let line_items: Vec<Value> = lines.into_iter().map(|(line, _)| line).collect();
        let mut updated_at = self.bought_at + SignedDuration::from_secs(100);
        if self.has_moved_on {
            revision ^= 0xffff;
            updated_at += SignedDuration::from_secs(3_600);
        }
        let is_paid = self.status == "READY_FOR_PROCESSING";
        let payment = json!({
            "id": payment_id, "type": "ONLINE", "provider": "PAYU",
            "finishedAt": is_paid.then(|| instant(self.bought_at + SignedDuration::from_secs(95))),
            "paidAmount": is_paid.then(|| zlotys(total_grosze)),
            "reconciliation": null, "features": [],
        });
        let delivery = json!({
            "address": {
                "firstName": buyer.first_name, "lastName": buyer.last_name, "street": street, "city": city,
                "zipCode": post_code, "countryCode": "PL", "companyName": null, "phoneNumber": phone,
                "modificationDate": null,
            },
            "method": {"id": method_id, "name": "Allegro Paczkomaty InPost"},
            "pickupPoint": {
                "id": "POZ08A", "name": "Paczkomat POZ08A", "description": "Stacja paliw BP",
                "address": {"street": "Świętego Marcina 24", "zipCode": "61-805", "city": "Poznań", "countryCode": "PL"},
            },
            "cost": zlotys(0), "time": null, "smart": true, "cancellation": null, "calculatedNumberOfPackages": 1,
        });
        let buyer = json!({
            "id": buyer.id.to_string(), "email": buyer.email, "login": format!("client_{}", buyer.id),
            "firstName": buyer.first_name, "lastName": buyer.last_name, "companyName": buyer.company,
            "guest": false, "personalIdentity": null, "phoneNumber": phone, "preferences": {"language": "pl-PL"},
            "address": {"street": street, "city": city, "postCode": post_code, "countryCode": "PL"},
        });
        let form = json!({
            "id": order_id, "messageToSeller": message, "buyer": buyer, "payment": payment, "status": self.status,
            "fulfillment": {"status": "PROCESSING", "shipmentSummary": {"lineItemsSent": "NONE"}},
            "delivery": delivery,
            "invoice": {"required": false, "address": null, "dueDate": null, "features": []},
            "lineItems": line_items, "surcharges": [], "discounts": [], "note": null,
            "marketplace": {"id": "allegro-pl"}, "summary": {"totalToPay": zlotys(total_grosze)},
            "updatedAt": instant(updated_at), "revision": format!("{revision:08x}"),
        });
        object_of(form)
    }
}

fn object_of(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        // A stored row whose data is not an object yields only the service's own keys.
        _ => Map::new(),
    }
}

fn text_at(form: &Value, pointer: &str) -> String {
    form.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

impl Form {
    /// The form as a JSON object.
    pub(crate) fn object(&self) -> Map<String, Value> {
        match self {
            Self::Written(form) => object_of(form.as_ref().clone()),
            Self::Seeded(form) => form.render(),
        }
    }

    pub(crate) fn status(&self) -> Option<&str> {
        match self {
            Self::Written(form) => form.get("status").and_then(Value::as_str),
            Self::Seeded(form) => Some(form.status),
        }
    }

    pub(crate) fn revision(&self) -> Option<String> {
        self.object()
            .get("revision")
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    /// The date the service orders by: when the first line was bought.
    pub(crate) fn order_date(&self) -> Option<Timestamp> {
        match self {
            Self::Written(form) => form
                .pointer("/lineItems/0/boughtAt")
                .and_then(Value::as_str)?
                .parse()
                .ok(),
            Self::Seeded(form) => Some(form.bought_at),
        }
    }

    pub(crate) fn search_fields(&self) -> SearchFields {
        match self {
            Self::Written(form) => SearchFields {
                email: text_at(form, "/buyer/email"),
                first_name: text_at(form, "/buyer/firstName"),
                last_name: text_at(form, "/buyer/lastName"),
                login: text_at(form, "/buyer/login"),
                company: text_at(form, "/buyer/companyName"),
            },
            Self::Seeded(form) => {
                let mut generator = form.generator();
                let _order_id = uuid(&mut generator);
                let buyer = SeededForm::buyer(&mut generator);
                SearchFields {
                    login: format!("client_{}", buyer.id),
                    email: buyer.email,
                    first_name: buyer.first_name.to_owned(),
                    last_name: buyer.last_name.to_owned(),
                    company: buyer.company.unwrap_or_default().to_owned(),
                }
            }
        }
    }
}
