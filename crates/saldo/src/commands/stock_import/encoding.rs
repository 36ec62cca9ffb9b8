//! From bytes to text: what spreadsheets write is UTF-8, UTF-16, or one of the old code pages.

use anyhow::{Context as _, bail};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1250, WINDOWS_1251};

/// The text of a file, in the encoding that was named or else the one that it must be.
///
/// # Errors
/// When the encoding is none, does not fit, or cannot be told from the bytes; the message says what to do.
pub(crate) fn decode(bytes: &[u8], named: Option<&str>) -> anyhow::Result<String> {
    let encoding = match named {
        Some(label) => Encoding::for_label(label.trim().as_bytes()).with_context(|| {
            format!("{label} is no encoding known here; utf-8, windows-1250 and windows-1251 are")
        })?,
        None => detected(bytes)?,
    };
    // A byte order mark wins, and is left out.
    let (text, used, malformed) = encoding.decode(bytes);
    if malformed {
        bail!(
            "the file is not {}: name its encoding with --encoding",
            used.name()
        );
    }
    if text.contains('\0') {
        bail!("this is no text file: save the table as CSV or XLSX");
    }
    Ok(text.into_owned())
}

fn detected(bytes: &[u8]) -> anyhow::Result<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return Ok(encoding);
    }
    if std::str::from_utf8(bytes).is_ok() {
        return Ok(UTF_8);
    }
    code_page(bytes).context(
        "the file is not UTF-8, and could be Polish or Russian: say --encoding windows-1250 or --encoding \
         windows-1251, or save it as UTF-8",
    )
}

/// The letters of Polish in windows-1250, and those of Russian in windows-1251, are different bytes but for a few; and
/// those few stand next to each other in Russian words alone.
fn code_page(bytes: &[u8]) -> Option<&'static Encoding> {
    let foreign = |byte: &u8| *byte >= 0x80 && !is_sign(*byte);
    let polish = bytes
        .iter()
        .filter(|byte| foreign(byte))
        .all(|byte| is_polish(*byte));
    let russian = bytes
        .iter()
        .filter(|byte| foreign(byte))
        .all(|byte| is_russian(*byte));
    match (polish, russian) {
        (true, false) => Some(WINDOWS_1250),
        (false, true) => Some(WINDOWS_1251),
        (false, false) => None,
        (true, true) => {
            let neighbours = |pair: &[u8]| foreign(&pair[0]) && foreign(&pair[1]);
            let beside_latin = |pair: &[u8]| {
                foreign(&pair[0]) && pair[1].is_ascii_alphabetic()
                    || pair[0].is_ascii_alphabetic() && foreign(&pair[1])
            };
            match (
                bytes.windows(2).any(neighbours),
                bytes.windows(2).any(beside_latin),
            ) {
                (true, false) => Some(WINDOWS_1251),
                (false, true) => Some(WINDOWS_1250),
                _ => None,
            }
        }
    }
}

/// Signs that both code pages have in the same place: dashes, quotes, no-break space and the like.
const fn is_sign(byte: u8) -> bool {
    matches!(
        byte,
        0x82 | 0x84..=0x87 | 0x89 | 0x8b | 0x91..=0x97 | 0x99 | 0x9b | 0xa0 | 0xa4 | 0xa6 | 0xa7 | 0xa9
            | 0xab..=0xae | 0xb0 | 0xb1 | 0xb5..=0xb7 | 0xbb
    )
}

const fn is_polish(byte: u8) -> bool {
    matches!(
        byte,
        0xa5 | 0xc6 | 0xca | 0xa3 | 0xd1 | 0xd3 | 0x8c | 0x8f | 0xaf // ĄĆĘŁŃÓŚŹŻ
            | 0xb9 | 0xe6 | 0xea | 0xb3 | 0xf1 | 0xf3 | 0x9c | 0x9f | 0xbf // ąćęłńóśźż
    )
}

const fn is_russian(byte: u8) -> bool {
    // А to я, Ё, ё, №.
    matches!(byte, 0xc0..=0xff | 0xa8 | 0xb8 | 0xb9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str, encoding: &'static Encoding) -> Vec<u8> {
        let (bytes, _, unmappable) = encoding.encode(text);
        assert!(!unmappable);
        bytes.into_owned()
    }

    #[test]
    fn the_encodings_of_spreadsheets_are_told_apart() {
        for text in ["sku;ilość\nMUG;3\n", "Kubek żółty – 330 ml;Łódź", "Półka"] {
            assert_eq!(decode(&encoded(text, WINDOWS_1250), None).unwrap(), text);
        }
        for text in ["артикул;количество\n", "Кружка № 5;Ёлка", "сук"] {
            assert_eq!(decode(&encoded(text, WINDOWS_1251), None).unwrap(), text);
        }
        assert_eq!(decode("ilość Ирина".as_bytes(), None).unwrap(), "ilość Ирина");
        assert_eq!(decode("\u{feff}sku".as_bytes(), None).unwrap(), "sku");
        let utf16: Vec<u8> = "\u{feff}sku\tИрина"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(decode(&utf16, None).unwrap(), "sku\tИрина");
    }

    #[test]
    fn what_cannot_be_told_is_asked_for() {
        for bytes in [
            &[b'a', b' ', 0xf3, b' '][..],
            &[0xe4, b' ', 0xdf, 0x90],
            &[0xb3, 0xc1],
        ] {
            let error = decode(bytes, None).unwrap_err().to_string();
            assert!(error.contains("--encoding"), "{error}");
        }
        assert_eq!(decode(&[b'a', b' ', 0xf3], Some("windows-1250")).unwrap(), "a ó");
        assert!(decode(b"a", Some("klingon")).is_err());
        assert!(decode(&[0xff, 0xff], Some("utf-8")).is_err());
        assert!(decode(b"a\0b", None).is_err());
    }
}
