//! Texts as Telegram reads them, without their marks; or why it does not.

const TAGS: [&str; 16] = [
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "tg-spoiler",
    "code",
    "pre",
    "blockquote",
    "blockquote expandable",
    "span class=\"tg-spoiler\"",
    "a",
];

/// Reads HTML: only known tags, properly nested, nothing within code, only known entities.
pub(crate) fn read_html(html: &str) -> Result<String, String> {
    let (mut text, mut open, mut rest) = (String::new(), Vec::new(), html);
    while let Some(position) = rest.find(['<', '>', '&']) {
        text.push_str(&rest[..position]);
        let tail = &rest[position..];
        let end = match tail.as_bytes()[0] {
            b'<' => tail.find('>').ok_or("Unclosed start tag")?,
            b'&' => tail.find(';').ok_or("Unclosed entity")?,
            _ => return Err("Unexpected >".to_owned()),
        };
        let name = &tail[1..end];
        if tail.starts_with('&') {
            text.push(entity(name)?);
        } else if let Some(closed) = name.strip_prefix('/') {
            if open.pop() != Some(closed) {
                return Err(format!("Unexpected end tag {closed}"));
            }
        } else {
            let is_known = TAGS.contains(&name) || name.starts_with("a href=\"");
            if !is_known || open.last() == Some(&"code") {
                return Err(format!("Unsupported start tag \"{name}\""));
            }
            open.push(name.split(' ').next().unwrap_or(name));
        }
        rest = &tail[end + 1..];
    }
    text.push_str(rest);
    match open.pop() {
        None => Ok(text),
        Some(tag) => Err(format!("Can't find end tag corresponding to start tag {tag}")),
    }
}

fn entity(name: &str) -> Result<char, String> {
    let number = name.strip_prefix('#').map(|number| {
        let code = match number.strip_prefix('x') {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        code.ok().and_then(char::from_u32)
    });
    let known = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        _ => number.flatten(),
    };
    known.ok_or_else(|| format!("Unknown entity &{name};"))
}

/// Reads MarkdownV2: what is reserved is a mark with an end, or behind a backslash.
pub(crate) fn read_markdown(markdown: &str) -> Result<String, String> {
    const RESERVED: &str = "_*[]()~`>#+-=|{}.!";
    let (mut text, mut open) = (String::new(), Vec::new());
    let mut letters = markdown.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_doubled = letters.peek() == Some(&letter);
        match letter {
            '\\' => match letters.next() {
                Some(escaped) if escaped.is_ascii() && !escaped.is_ascii_alphanumeric() => text.push(escaped),
                _ => return Err("Character '\\' is reserved and must be escaped".to_owned()),
            },
            '`' if open.last() == Some(&'`') => drop(open.pop()),
            other if open.last() == Some(&'`') => text.push(other),
            '*' | '_' | '~' | '`' => toggle(&mut open, letter),
            '|' if is_doubled => {
                letters.next();
                toggle(&mut open, letter);
            }
            reserved if RESERVED.contains(reserved) => {
                return Err(format!(
                    "Character '{reserved}' is reserved and must be escaped with the preceding '\\'"
                ));
            }
            other => text.push(other),
        }
    }
    match open.pop() {
        None => Ok(text),
        Some(mark) => Err(format!("Can't find end of the entity that begins with {mark}")),
    }
}

/// Ends an entity that is open, and begins one that is not.
fn toggle(open: &mut Vec<char>, mark: char) {
    if open.last() == Some(&mark) {
        open.pop();
    } else {
        open.push(mark);
    }
}
