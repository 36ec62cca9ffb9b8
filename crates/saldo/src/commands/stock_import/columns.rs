//! Which column is which, by its heading: in English, Polish and Russian, as shops and their programs write them.

use super::sheet::{Cell, Sheet};

const SKU: &[&str] = &[
    "sku",
    "sku id",
    "product sku",
    "item",
    "item code",
    "product code",
    "product id",
    "external id",
    "code",
    "symbol",
    "kod",
    "kod produktu",
    "kod towaru",
    "indeks",
    "numer katalogowy",
    "sygnatura",
    "артикул",
    "арт",
    "код",
    "код товара",
    "код продукта",
];
const WAREHOUSE: &[&str] = &[
    "warehouse",
    "warehouse name",
    "location",
    "store",
    "magazyn",
    "nazwa magazynu",
    "lokalizacja",
    "склад",
    "место",
    "название склада",
];
const QUANTITY: &[&str] = &[
    "quantity",
    "qty",
    "counted",
    "count",
    "stock",
    "balance",
    "on hand",
    "available",
    "in stock",
    "units",
    "ilość",
    "ilosc",
    "stan",
    "stan magazynowy",
    "liczba",
    "liczba sztuk",
    "sztuk",
    "szt",
    "zliczono",
    "количество",
    "кол во",
    "остаток",
    "остатки",
    "в наличии",
    "наличие",
    "посчитано",
    "штук",
    "шт",
    "кол во шт",
    "количество шт",
    "остаток шт",
    "ilość szt",
    "stan szt",
];

/// Where the columns stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) sku: usize,
    pub(crate) warehouse: Option<usize>,
    pub(crate) quantity: usize,
}

/// Whether a heading names what is needed.
pub(crate) fn are_named(heading: &[Cell]) -> bool {
    find(heading).is_ok()
}

/// Finds the columns in a heading.
///
/// # Errors
/// What is missing, or stands twice.
pub(crate) fn find(heading: &[Cell]) -> Result<Columns, String> {
    let names: Vec<String> = heading.iter().map(plain).collect();
    let one = |known: &[&str], what: &str| -> Result<Option<usize>, String> {
        let found: Vec<usize> = (0..names.len())
            .filter(|index| known.contains(&names[*index].as_str()))
            .collect();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            several => {
                let several: Vec<String> = several.iter().map(|index| shown(&heading[*index])).collect();
                Err(format!(
                    "several columns could be the {what}: {}; rename all but one",
                    several.join(", ")
                ))
            }
        }
    };
    let missing = |what: &str, known: &[&str]| {
        let there: Vec<String> = heading.iter().map(shown).collect();
        format!(
            "no column of the heading is the {what} (such as {}); the columns are: {}",
            known[..3].join(", "),
            there.join(", ")
        )
    };
    Ok(Columns {
        sku: one(SKU, "SKU")?.ok_or_else(|| missing("SKU", SKU))?,
        warehouse: one(WAREHOUSE, "warehouse")?,
        quantity: one(QUANTITY, "quantity")?.ok_or_else(|| missing("quantity", QUANTITY))?,
    })
}

/// Where the heading stands: the first row that is not empty.
pub(crate) fn heading(sheet: &Sheet) -> Option<usize> {
    sheet
        .rows
        .iter()
        .position(|row| row.cells.iter().any(|cell| *cell != Cell::Empty))
}

/// A heading in lower case, with single spaces, without signs.
fn plain(cell: &Cell) -> String {
    let Cell::Text(text) = cell else {
        return String::new();
    };
    let letters: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A heading for people.
pub(crate) fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => saldo_domain::text::one_line(text, 40),
        Cell::Number(number) => number.to_string(),
        Cell::Empty | Cell::Other(_) => "(unnamed)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Result<Columns, String> {
        find(&names.iter().map(|name| Cell::text(name)).collect::<Vec<_>>())
    }

    #[test]
    fn headings_are_known_in_three_languages() {
        for (names, expected) in [
            (&["SKU", "Warehouse", "Quantity"][..], (0, Some(1), 2)),
            (&["Nazwa", "Kod produktu", "Stan magazynowy"], (1, None, 2)),
            (&["Magazyn", "Symbol", "Ilość"], (1, Some(0), 2)),
            (&["Артикул", "Название", "Склад", "Кол-во, шт."], (0, Some(2), 3)),
            (&["item_code", "COUNTED"], (0, None, 1)),
        ] {
            let columns = found(names).unwrap();
            assert_eq!(
                (columns.sku, columns.warehouse, columns.quantity),
                expected,
                "{names:?}"
            );
        }
    }

    #[test]
    fn a_heading_that_is_missing_or_doubtful_is_told() {
        assert!(
            found(&["MUG", "3"])
                .unwrap_err()
                .contains("the columns are: MUG, 3")
        );
        assert!(found(&["sku", "name"]).unwrap_err().contains("quantity"));
        let twice = found(&["sku", "stock", "counted"]).unwrap_err();
        assert!(twice.contains("stock, counted"), "{twice}");
    }
}
