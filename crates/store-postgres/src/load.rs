//! Loading the rows that decisions ask for: those of a whole batch at once, one question a table.

use std::collections::{HashMap, HashSet};

use saldo_domain::delivery::Delivery;
use saldo_domain::ids::{AccountId, OperationId, OrderId, OrderKey, ReviewId};
use saldo_domain::operation::Operation;
use saldo_domain::order::Order;
use saldo_domain::review::{Review, ReviewReason, Subject};
use saldo_domain::stock::{Balance, Mapping, OfferKey, StockKey};
use saldo_domain::view::{Key, ListKey, OrderFile, Row as Loaded, View};
use saldo_store::rows::{
    self, answer_columns, balance_columns, delivery_columns, operation_columns, order_columns, review_columns,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::failure::Failure;
use crate::rollouts;
use crate::row_version::RowVersion;
use crate::session::{Session, Step};
use crate::sql::{get, id, moment, operation_ids, text, typed, values};

/// The most operations of one order that are shown.
const OPERATIONS_SHOWN_MAX: usize = 500;

/// Rows as they are stored, as far as that was read: what a change of them expects to find.
#[derive(Debug, Default)]
pub(crate) struct AsStored {
    /// The lease token of each delivery (invariant 7).
    pub(crate) tokens: HashMap<OrderKey, Option<Uuid>>,
    /// Deliveries that were read and locked, of orders that are yet to be loaded.
    pub(crate) deliveries: HashMap<OrderKey, Delivery>,
    /// The versions of orders' rows that this transaction has not written.
    pub(crate) orders: HashMap<OrderKey, RowVersion>,
    /// Orders that were not read but kept from their claim, and are not yet known to be as they were then.
    pub(crate) unproved: HashSet<OrderKey>,
    /// Orders whose rows this transaction has written anew.
    pub(crate) rewritten: Vec<OrderKey>,
}

/// The keys of a batch, sorted by what they name.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) orders: Vec<OrderKey>,
    pub(crate) lines: Vec<saldo_domain::ids::LineItemId>,
    pub(crate) balances: Vec<StockKey>,
    pub(crate) mappings: Vec<OfferKey>,
    pub(crate) answers: Vec<String>,
    pub(crate) operations: Vec<OperationId>,
    pub(crate) reviews: Vec<ReviewId>,
    pub(crate) open_reviews: Vec<(ReviewReason, Subject)>,
    pub(crate) shadows: Vec<OrderKey>,
    pub(crate) rollout: bool,
    pub(crate) stock_counted: bool,
    pub(crate) lists: Vec<ListKey>,
}

impl Wanted {
    /// Sorts keys, each once, and none that the view has.
    pub(crate) fn of(keys: impl IntoIterator<Item = Key>, view: &View) -> Self {
        let mut wanted = Self::default();
        for key in keys {
            if view.has(&key) {
                continue;
            }
            match key {
                Key::Order(key) => wanted.orders.push(key),
                Key::Line(line) => wanted.lines.push(line),
                Key::Balance(key) => wanted.balances.push(key),
                Key::Mapping(key) => wanted.mappings.push(key),
                Key::Answer(key) => wanted.answers.push(key),
                Key::Operation(id) => wanted.operations.push(id),
                Key::Review(id) => wanted.reviews.push(id),
                Key::OpenReview(reason, subject) => wanted.open_reviews.push((reason, subject)),
                Key::Rollout => wanted.rollout = true,
                Key::StockCounted => wanted.stock_counted = true,
                Key::Shadow(key) => wanted.shadows.push(key),
                Key::List(list) => wanted.lists.push(list),
            }
        }
        once_each(&mut wanted.orders);
        once_each(&mut wanted.lines);
        once_each(&mut wanted.balances);
        once_each(&mut wanted.mappings);
        once_each(&mut wanted.answers);
        once_each(&mut wanted.operations);
        once_each(&mut wanted.reviews);
        once_each(&mut wanted.shadows);
        wanted
    }
}

fn once_each<T: Ord>(keys: &mut Vec<T>) {
    keys.sort();
    keys.dedup();
}

/// The columns of keys, as the server takes them.
struct Columns<'w> {
    accounts: Vec<Uuid>,
    orders: Vec<&'w str>,
    lines: Vec<&'w str>,
    skus: Vec<&'w str>,
    warehouses: Vec<&'w str>,
    offer_accounts: Vec<Uuid>,
    offers: Vec<&'w str>,
    answers: Vec<&'w str>,
    operations: Vec<Uuid>,
    reviews: Vec<Uuid>,
    shadow_accounts: Vec<Uuid>,
    shadow_orders: Vec<&'w str>,
    rollout: bool,
    stock_counted: bool,
}

impl<'w> Columns<'w> {
    fn of(wanted: &'w Wanted) -> Self {
        Self {
            accounts: wanted.orders.iter().map(|key| key.account.as_uuid()).collect(),
            orders: wanted.orders.iter().map(|key| key.order.as_str()).collect(),
            lines: wanted.lines.iter().map(|line| line.as_str()).collect(),
            skus: wanted.balances.iter().map(|key| key.sku.as_str()).collect(),
            warehouses: wanted.balances.iter().map(|key| key.warehouse.as_str()).collect(),
            offer_accounts: wanted.mappings.iter().map(|key| key.account.as_uuid()).collect(),
            offers: wanted.mappings.iter().map(|key| key.offer.as_str()).collect(),
            answers: wanted.answers.iter().map(String::as_str).collect(),
            operations: wanted.operations.iter().map(|id| id.as_uuid()).collect(),
            reviews: wanted.reviews.iter().map(|id| id.as_uuid()).collect(),
            shadow_accounts: wanted.shadows.iter().map(|key| key.account.as_uuid()).collect(),
            shadow_orders: wanted.shadows.iter().map(|key| key.order.as_str()).collect(),
            rollout: wanted.rollout,
            stock_counted: wanted.stock_counted,
        }
    }
}

const ORDERS: &str = concat!(
    "SELECT ",
    order_columns!(),
    ", operations, account, order_id, orders.ctid, orders.xmin FROM unnest($1::uuid[], $2::text[]) AS wanted (key_account, key_order) \
     JOIN saldo.orders ON account = key_account AND order_id = key_order"
);
const LINES: &str =
    "SELECT account, order_id, line_item_id FROM saldo.line_holder WHERE line_item_id = ANY ($1::text[])";
const BALANCES: &str = concat!(
    "SELECT ",
    balance_columns!(),
    " FROM unnest($1::text[], $2::text[]) AS wanted (key_sku, key_warehouse) \
     JOIN saldo.balance ON sku = key_sku AND warehouse = key_warehouse"
);
const MAPPINGS: &str = "SELECT components, updated_at, account, offer \
     FROM unnest($1::uuid[], $2::text[]) AS wanted (key_account, key_offer) \
     JOIN saldo.mapping ON account = key_account AND offer = key_offer";
const ANSWERS: &str = concat!(
    "SELECT ",
    answer_columns!(),
    " FROM saldo.answer WHERE key = ANY ($1::text[])"
);
const OPERATIONS: &str = concat!(
    "SELECT ",
    operation_columns!(),
    " FROM saldo.operation WHERE id = ANY ($1::uuid[])"
);
const REVIEWS: &str = concat!(
    "SELECT ",
    review_columns!(),
    " FROM saldo.review WHERE id = ANY ($1::uuid[])"
);
const UNFINISHED_OPERATIONS: &str = concat!(
    "SELECT ",
    operation_columns!(),
    " FROM saldo.operation WHERE id = ANY ($1::uuid[]) AND status IN ('pending', 'processing', 'failed')"
);
const DELIVERIES: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    ", account, order_id FROM unnest($1::uuid[], $2::text[]) AS wanted (key_account, key_order) \
     JOIN saldo.delivery ON account = key_account AND order_id = key_order"
);
const OPEN_REVIEWS_OF_ORDERS: &str = concat!(
    "SELECT ",
    review_columns!(),
    " FROM unnest($1::uuid[], $2::text[]) AS wanted (key_account, key_order) \
     JOIN saldo.review ON account = key_account AND order_id = key_order \
     WHERE order_id IS NOT NULL AND answered_at IS NULL"
);

/// What is sent before the questions, in the same breath.
#[derive(Default)]
pub(crate) struct Before<'s> {
    /// The beginning of the transaction.
    pub(crate) begin: Option<&'s str>,
    /// The locks; answers with one boolean.
    pub(crate) lock: Option<Step<'s>>,
}

/// Locks, and loads rows into a view. Says whether the locks were had: without them nothing was loaded.
pub(crate) async fn load(
    session: &Session,
    before: Before<'_>,
    wanted: &Wanted,
    view: &mut View,
    stored: &mut AsStored,
) -> Result<bool, Failure> {
    let columns = Columns::of(wanted);
    let mut steps = Vec::new();
    let locks = usize::from(before.lock.is_some());
    steps.extend(before.lock);
    let questions = questions(&columns);
    let kinds: Vec<Kind> = questions.iter().map(|(kind, _)| *kind).collect();
    steps.extend(questions.into_iter().map(|(_, step)| step));
    let mut answers = session.rows_together(before.begin, &steps).await?;
    drop(steps);
    if locks == 1 {
        let had = answers.remove(0);
        let had = had.first().map(|row| get::<bool>(row, 0)).transpose()?;
        if had != Some(true) {
            return Ok(false);
        }
    }
    let mut found = Found::default();
    for (kind, rows) in kinds.into_iter().zip(answers) {
        found.read(kind, &rows)?;
    }
    let files = live_orders(session, found.orders, stored).await?;
    insert_orders(wanted, files, view);
    insert_others(wanted, found.others, view);
    for (reason, subject) in &wanted.open_reviews {
        let review = open_review(session, *reason, subject).await?;
        view.insert(Loaded::OpenReview(*reason, subject.clone(), review.map(Box::new)));
    }
    Ok(true)
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Orders,
    Lines,
    Balances,
    Mappings,
    Answers,
    Operations,
    Reviews,
    Shadows,
    Rollout,
    StockCounted,
}

fn questions<'c>(columns: &'c Columns<'_>) -> Vec<(Kind, Step<'c>)> {
    let mut questions = Vec::new();
    let mut ask = |is_wanted: bool, kind, sql, parameters| {
        if is_wanted {
            questions.push((kind, Step { sql, parameters }));
        }
    };
    let Columns {
        accounts,
        orders,
        lines,
        skus,
        warehouses,
        offer_accounts,
        offers,
        answers,
        operations,
        reviews,
        shadow_accounts,
        shadow_orders,
        rollout,
        stock_counted,
    } = columns;
    ask(
        !orders.is_empty(),
        Kind::Orders,
        ORDERS,
        vec![typed(accounts), typed(orders)],
    );
    ask(!lines.is_empty(), Kind::Lines, LINES, vec![typed(lines)]);
    ask(
        !skus.is_empty(),
        Kind::Balances,
        BALANCES,
        vec![typed(skus), typed(warehouses)],
    );
    ask(
        !offers.is_empty(),
        Kind::Mappings,
        MAPPINGS,
        vec![typed(offer_accounts), typed(offers)],
    );
    ask(!answers.is_empty(), Kind::Answers, ANSWERS, vec![typed(answers)]);
    ask(
        !operations.is_empty(),
        Kind::Operations,
        OPERATIONS,
        vec![typed(operations)],
    );
    ask(!reviews.is_empty(), Kind::Reviews, REVIEWS, vec![typed(reviews)]);
    ask(
        !shadow_orders.is_empty(),
        Kind::Shadows,
        rollouts::SHADOW_ORDERS,
        vec![typed(shadow_accounts), typed(shadow_orders)],
    );
    ask(*rollout, Kind::Rollout, rollouts::IN_FORCE, Vec::new());
    ask(
        *stock_counted,
        Kind::StockCounted,
        rollouts::STOCK_COUNTED,
        Vec::new(),
    );
    questions
}

/// An order with the ids of its operations.
struct OrderRow {
    order: Order,
    operations: Vec<OperationId>,
    version: RowVersion,
}

/// What the first questions found.
#[derive(Default)]
struct Found {
    orders: Vec<OrderRow>,
    others: HashMap<Key, Loaded>,
}

impl Found {
    fn read(&mut self, kind: Kind, rows: &[Row]) -> Result<(), Failure> {
        for row in rows {
            let (key, loaded) = match kind {
                Kind::Orders => {
                    self.orders.push(order_row(row)?);
                    continue;
                }
                Kind::Lines => {
                    let line = text(row, 2, saldo_domain::ids::LineItemId::parse)?;
                    let holder = rows::order_key(row)?;
                    (Key::Line(line.clone()), Loaded::Line(line, Some(holder)))
                }
                Kind::Balances => {
                    let balance = rows::balance(row)?;
                    let key = balance.key.clone();
                    (Key::Balance(key.clone()), Loaded::Balance(key, Some(balance)))
                }
                Kind::Mappings => {
                    let key = OfferKey {
                        account: id(row, 2, AccountId::new)?,
                        offer: text(row, 3, saldo_domain::ids::OfferId::parse)?,
                    };
                    let mapping = rows::mapping(&key, row)?;
                    (Key::Mapping(key.clone()), Loaded::Mapping(key, Some(mapping)))
                }
                Kind::Answers => {
                    let answer = rows::recorded_answer(row)?;
                    let key = answer.key.clone();
                    (Key::Answer(key.clone()), Loaded::Answer(key, Some(answer)))
                }
                Kind::Operations => {
                    let operation = rows::operation(row)?;
                    let id = operation.id;
                    (
                        Key::Operation(id),
                        Loaded::Operation(id, Some(Box::new(operation))),
                    )
                }
                Kind::Reviews => {
                    let review = rows::review(row)?;
                    let id = review.id;
                    (Key::Review(id), Loaded::Review(id, Some(Box::new(review))))
                }
                Kind::Shadows => {
                    let shadow = rows::shadow_order(row)?;
                    let key = shadow.key.clone();
                    (
                        Key::Shadow(key.clone()),
                        Loaded::Shadow(key, Some(Box::new(shadow))),
                    )
                }
                Kind::Rollout => (Key::Rollout, Loaded::Rollout(Some(rows::rollout_in_force(row)?))),
                Kind::StockCounted => (Key::StockCounted, Loaded::StockCounted(Some(moment(row, 0)?))),
            };
            self.others.insert(key, loaded);
        }
        Ok(())
    }
}

fn order_row(row: &Row) -> Result<OrderRow, Failure> {
    let key = rows::order_key_at(row, 18)?;
    Ok(OrderRow {
        order: rows::order(&key, row)?,
        operations: operation_ids(row, 17)?,
        version: RowVersion {
            spot: get(row, 20)?,
            writer: get(row, 21)?,
        },
    })
}

/// The files of the orders that were found: what is unfinished of each, oldest first.
async fn live_orders(
    session: &Session,
    orders: Vec<OrderRow>,
    stored: &mut AsStored,
) -> Result<HashMap<OrderKey, OrderFile>, Failure> {
    if orders.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = || orders.iter().map(|row| &row.order.key);
    let (accounts, names) = columns_of(keys());
    let unread = keys().filter(|key| !stored.deliveries.contains_key(*key));
    let (owing_accounts, owing_names) = columns_of(unread);
    let operations: Vec<Uuid> = orders
        .iter()
        .flat_map(|row| row.operations.iter().map(|id| id.as_uuid()))
        .collect();
    let steps = [
        Step {
            sql: UNFINISHED_OPERATIONS,
            parameters: vec![typed(&operations)],
        },
        Step {
            sql: DELIVERIES,
            parameters: vec![typed(&owing_accounts), typed(&owing_names)],
        },
        Step {
            sql: OPEN_REVIEWS_OF_ORDERS,
            parameters: vec![typed(&accounts), typed(&names)],
        },
    ];
    let answers = session.rows_together(None, &steps).await?;
    let mut unfinished: HashMap<OperationId, Operation> = HashMap::new();
    for row in &answers[0] {
        let operation = rows::operation(row)?;
        unfinished.insert(operation.id, operation);
    }
    let mut files = HashMap::with_capacity(orders.len());
    let mut deliveries = Vec::with_capacity(orders.len());
    for OrderRow {
        order,
        operations: ids,
        version,
    } in orders
    {
        let operations = ids.iter().filter_map(|id| unfinished.remove(id)).collect();
        stored.orders.insert(order.key.clone(), version);
        deliveries.extend(stored.deliveries.remove(&order.key));
        let file = OrderFile {
            operations,
            ..OrderFile::of(order)
        };
        files.insert(file.order.key.clone(), file);
    }
    for row in &answers[1] {
        deliveries.push(keyed_delivery(row)?);
    }
    for delivery in deliveries {
        let token = delivery.lease.as_ref().map(|lease| lease.token.as_uuid());
        stored.tokens.insert(delivery.key.clone(), token);
        if let Some(file) = files.get_mut(&delivery.key) {
            file.delivery = Some(delivery);
        }
    }
    for row in &answers[2] {
        let review = rows::review(row)?;
        if let Subject::Order(key) = &review.subject
            && let Some(file) = files.get_mut(key)
        {
            file.reviews.push(review);
        }
    }
    for file in files.values_mut() {
        file.reviews.sort_by_key(|review| review.id);
    }
    Ok(files)
}

/// The columns of orders' keys, as the server takes them.
fn columns_of<'k>(keys: impl Iterator<Item = &'k OrderKey>) -> (Vec<Uuid>, Vec<&'k str>) {
    keys.map(|key| (key.account.as_uuid(), key.order.as_str()))
        .unzip()
}

/// A delivery, from the columns of deliveries and then those of its order.
pub(crate) fn keyed_delivery(row: &Row) -> Result<Delivery, Failure> {
    rows::delivery(&rows::order_key_at(row, 9)?, row, 0)
}

fn insert_orders(wanted: &Wanted, mut files: HashMap<OrderKey, OrderFile>, view: &mut View) {
    for key in &wanted.orders {
        let file = files.remove(key).map(Box::new);
        view.insert(Loaded::Order(key.clone(), file));
    }
}

/// Everything that was asked for is loaded: what was not found is known not to be there.
fn insert_others(wanted: &Wanted, mut found: HashMap<Key, Loaded>, view: &mut View) {
    let mut insert = |key: Key, nothing: Loaded| view.insert(found.remove(&key).unwrap_or(nothing));
    for line in &wanted.lines {
        insert(Key::Line(line.clone()), Loaded::Line(line.clone(), None));
    }
    for key in &wanted.balances {
        insert(Key::Balance(key.clone()), Loaded::Balance(key.clone(), None));
    }
    for key in &wanted.mappings {
        insert(Key::Mapping(key.clone()), Loaded::Mapping(key.clone(), None));
    }
    for key in &wanted.answers {
        insert(Key::Answer(key.clone()), Loaded::Answer(key.clone(), None));
    }
    for id in &wanted.operations {
        insert(Key::Operation(*id), Loaded::Operation(*id, None));
    }
    for id in &wanted.reviews {
        insert(Key::Review(*id), Loaded::Review(*id, None));
    }
    for key in &wanted.shadows {
        insert(Key::Shadow(key.clone()), Loaded::Shadow(key.clone(), None));
    }
    if wanted.rollout {
        insert(Key::Rollout, Loaded::Rollout(None));
    }
    if wanted.stock_counted {
        insert(Key::StockCounted, Loaded::StockCounted(None));
    }
}

async fn open_review(
    session: &Session,
    reason: ReviewReason,
    subject: &Subject,
) -> Result<Option<Review>, Failure> {
    let account = subject.account().map(|account| account.as_uuid());
    let order = subject.order().map_or("", |order| order.as_str());
    session
        .one(
            concat!(
                "SELECT ",
                review_columns!(),
                " FROM saldo.review WHERE reason = $1 AND coalesce(account, '00000000-0000-0000-0000-000000000000') \
                 = coalesce($2, '00000000-0000-0000-0000-000000000000') AND (account IS NULL) = ($2 IS NULL) \
                 AND coalesce(order_id, '') = $3 AND answered_at IS NULL"
            ),
            values![reason.as_str(), account, order],
            rows::review,
        )
        .await
}

/// The live files of orders, in the order asked for.
pub(crate) async fn order_files(
    session: &Session,
    keys: &[OrderKey],
) -> Result<Vec<Option<OrderFile>>, Failure> {
    let (accounts, orders) = columns_of(keys.iter());
    let mut found = session.many(ORDERS, values![accounts, orders], order_row).await?;
    // One that is named twice is found twice.
    found.sort_by(|left, right| left.order.key.cmp(&right.order.key));
    found.dedup_by(|left, right| left.order.key == right.order.key);
    let files = live_orders(session, found, &mut AsStored::default()).await?;
    Ok(keys.iter().map(|key| files.get(key).cloned()).collect())
}

/// An order with everything ever recorded of it, newest first.
pub(crate) async fn whole_order(session: &Session, key: &OrderKey) -> Result<Option<OrderFile>, Failure> {
    let (account, order) = (vec![key.account.as_uuid()], vec![key.order.as_str()]);
    let Some(OrderRow {
        order: order_row,
        operations: mut ids,
        ..
    }) = session.one(ORDERS, values![account, order], order_row).await?
    else {
        return Ok(None);
    };
    ids.reverse();
    ids.truncate(OPERATIONS_SHOWN_MAX);
    let operations = operations(session, &ids).await?;
    let deliveries = session
        .many(DELIVERIES, values![account, order], keyed_delivery)
        .await?;
    let reviews = session
        .many(
            concat!(
                "SELECT ",
                review_columns!(),
                " FROM saldo.review WHERE account = $1 AND order_id = $2 ORDER BY id DESC"
            ),
            values![key.account.as_uuid(), key.order.as_str()],
            rows::review,
        )
        .await?;
    Ok(Some(OrderFile {
        order: order_row,
        operations,
        delivery: deliveries.into_iter().next(),
        reviews,
    }))
}

/// Operations that an order names, in the order named.
pub(crate) async fn operations(session: &Session, ids: &[OperationId]) -> Result<Vec<Operation>, Failure> {
    let wanted: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let found = session.many(OPERATIONS, values![wanted], rows::operation).await?;
    let mut found: HashMap<OperationId, Operation> = found
        .into_iter()
        .map(|operation| (operation.id, operation))
        .collect();
    let named = ids.iter().map(|id| {
        let missing = || Failure::Corrupt(format!("operation {id} is named by its order and is not there"));
        found.remove(id).ok_or_else(missing)
    });
    named.collect()
}

/// All operations of the orders of an id: an id may stand in several accounts.
pub(crate) async fn operations_of(session: &Session, order: &OrderId) -> Result<Vec<Operation>, Failure> {
    let ids = session
        .many(
            "WITH RECURSIVE known (account) AS ( \
                 (SELECT account FROM saldo.orders ORDER BY account LIMIT 1) UNION ALL \
                 SELECT (SELECT later.account FROM saldo.orders AS later WHERE later.account > known.account \
                     ORDER BY later.account LIMIT 1) FROM known WHERE known.account IS NOT NULL) \
             SELECT operations FROM known JOIN saldo.orders USING (account) WHERE order_id = $1",
            values![order.as_str()],
            |row| operation_ids(row, 0),
        )
        .await?;
    operations(session, &ids.concat()).await
}

/// A balance; none when the warehouse never held the SKU.
pub(crate) async fn balances(session: &Session, keys: &[StockKey]) -> Result<Vec<Balance>, Failure> {
    let skus: Vec<&str> = keys.iter().map(|key| key.sku.as_str()).collect();
    let warehouses: Vec<&str> = keys.iter().map(|key| key.warehouse.as_str()).collect();
    session
        .many(BALANCES, values![skus, warehouses], rows::balance)
        .await
}

/// What an offer stands for.
pub(crate) async fn mapping(session: &Session, key: &OfferKey) -> Result<Option<Mapping>, Failure> {
    let (accounts, offers) = (vec![key.account.as_uuid()], vec![key.offer.as_str()]);
    session
        .one(MAPPINGS, values![accounts, offers], |row| rows::mapping(key, row))
        .await
}

/// An operation, finished or not.
pub(crate) async fn operation(session: &Session, id: OperationId) -> Result<Option<Operation>, Failure> {
    session
        .one(OPERATIONS, values![vec![id.as_uuid()]], rows::operation)
        .await
}

/// A review, open or not.
pub(crate) async fn review(session: &Session, id: ReviewId) -> Result<Option<Review>, Failure> {
    session
        .one(REVIEWS, values![vec![id.as_uuid()]], rows::review)
        .await
}

/// The orders of operations and the subjects of reviews, which never change: what must be locked before they are
/// loaded.
pub(crate) async fn owners(
    session: &Session,
    operations: &[OperationId],
    reviews: &[ReviewId],
) -> Result<Vec<(Option<OperationId>, Option<OrderKey>)>, Failure> {
    let operations: Vec<Uuid> = operations.iter().map(|id| id.as_uuid()).collect();
    let reviews: Vec<Uuid> = reviews.iter().map(|id| id.as_uuid()).collect();
    session
        .many(
            "SELECT account, order_id, id FROM saldo.operation WHERE id = ANY ($1::uuid[]) UNION ALL \
             SELECT CASE WHEN order_id IS NULL THEN NULL ELSE account END, order_id, NULL \
             FROM saldo.review WHERE id = ANY ($2::uuid[])",
            values![operations, reviews],
            |row| {
                let operation = get::<Option<Uuid>>(row, 2)?.map(OperationId::new);
                Ok((operation, rows::optional_order_key(row, 0)?))
            },
        )
        .await
}
