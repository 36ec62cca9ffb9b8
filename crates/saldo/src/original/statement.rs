//! The statements of a dump that hold tables and rows: `CREATE TABLE` and `INSERT INTO`, as `sqlite3 … .dump` and
//! `pg_dump --inserts` write them. This is no SQL: what these programs do not write is refused.

use anyhow::{Context as _, bail};

/// Calls within calls that are followed: a dump nests two.
const DEPTH_MAX: u32 = 8;

/// Finds the end of a statement, line by line.
#[derive(Debug, Default)]
pub(crate) struct End {
    within: Option<Within>,
}

/// In what a semicolon ends nothing.
#[derive(Debug, PartialEq, Eq)]
enum Within {
    Text,
    Name,
    /// The body of a function, from `$tag$` to the same.
    Body(Vec<u8>),
}

impl End {
    /// Whether the statement ends with this line, which is given without its end.
    pub(crate) fn is_reached_with(&mut self, line: &[u8]) -> bool {
        let mut at = 0;
        let mut is_over = false;
        while let Some(byte) = line.get(at) {
            let rest = &line[at..];
            let mut step = 1;
            match &self.within {
                Some(Within::Text) if *byte == b'\'' => self.within = None,
                Some(Within::Name) if *byte == b'"' => self.within = None,
                Some(Within::Body(tag)) if rest.starts_with(tag) => {
                    step = tag.len();
                    self.within = None;
                }
                Some(_) => {}
                None => match byte {
                    b'\'' => self.within = Some(Within::Text),
                    b'"' => self.within = Some(Within::Name),
                    b'-' if rest.starts_with(b"--") => break,
                    b'$' => {
                        if let Some(tag) = tag(rest) {
                            step = tag.len();
                            self.within = Some(Within::Body(tag.to_vec()));
                        }
                    }
                    b';' => is_over = true,
                    _ => {}
                },
            }
            at += step;
        }
        is_over && self.within.is_none()
    }
}

/// `$$` or `$tag$` at the beginning of a text.
fn tag(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().skip(1).position(|byte| *byte == b'$')?;
    let (tag, _) = text.split_at(length + 2);
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    tag[1..=length].iter().all(is_word).then_some(tag)
}

/// A table's name without its schema.
pub(crate) type Name = String;

/// `CREATE TABLE public.sale (id integer NOT NULL, …);`: the table and its columns. None for any other statement.
pub(crate) fn created(statement: &str) -> Option<(Name, Vec<String>)> {
    let mut words = Words(statement);
    if !words.skip_word("CREATE") {
        return None;
    }
    while words.skip_word("TEMP") || words.skip_word("UNLOGGED") {}
    if !words.skip_word("TABLE") {
        return None;
    }
    if words.skip_word("IF") && !(words.skip_word("NOT") && words.skip_word("EXISTS")) {
        return None;
    }
    let name = words.table()?;
    if !words.skip("(") {
        return None;
    }
    const NO_COLUMN: [&str; 7] = [
        "PRIMARY",
        "FOREIGN",
        "UNIQUE",
        "CHECK",
        "CONSTRAINT",
        "EXCLUDE",
        "LIKE",
    ];
    let mut columns = Vec::new();
    loop {
        let is_quoted = words.rest().starts_with(['"', '`', '[']);
        let column = words.name()?;
        if is_quoted || !NO_COLUMN.contains(&column.to_uppercase().as_str()) {
            columns.push(column);
        }
        // Its type, and what must hold of it.
        let mut depth = 0;
        loop {
            match words.token()? {
                "(" => depth += 1,
                ")" if depth == 0 => return Some((name, columns)),
                ")" => depth -= 1,
                "," if depth == 0 => break,
                _ => {}
            }
        }
    }
}

/// Where rows are put: the table, and its columns where the statement names them.
pub(crate) struct Inserted<'s> {
    pub(crate) table: Name,
    pub(crate) columns: Option<Vec<String>>,
    rows: Words<'s>,
}

/// The head of `INSERT INTO public.sale (id, order_id) VALUES (1, 'a'), (2, NULL);`.
pub(crate) fn inserted(statement: &str) -> Option<Inserted<'_>> {
    let mut words = Words(statement);
    if !(words.skip_word("INSERT") && words.skip_word("INTO")) {
        return None;
    }
    let table = words.table()?;
    let mut columns = None;
    if words.skip("(") {
        let mut named = vec![words.name()?];
        while words.skip(",") {
            named.push(words.name()?);
        }
        columns = Some(named).filter(|_| words.skip(")"));
        columns.as_ref()?;
    }
    if words.skip_word("OVERRIDING") && !(words.name().is_some() && words.skip_word("VALUE")) {
        return None;
    }
    let rows = words.skip_word("VALUES").then_some(words)?;
    Some(Inserted { table, columns, rows })
}

impl Inserted<'_> {
    /// The values of the next row.
    pub(crate) fn next_row(&mut self) -> anyhow::Result<Option<Vec<Option<String>>>> {
        let rows = &mut self.rows;
        rows.skip(",");
        if !rows.skip("(") {
            return Ok(None);
        }
        let mut values = vec![value(rows, 0)?];
        while rows.skip(",") {
            values.push(value(rows, 0)?);
        }
        if !rows.skip(")") {
            bail!("a row does not end where it should");
        }
        Ok(Some(values))
    }
}

/// One value, or the call that SQLite writes for one with line ends.
fn value(words: &mut Words<'_>, depth: u32) -> anyhow::Result<Option<String>> {
    let token = words.token().context("a row does not end where it should")?;
    if depth > DEPTH_MAX {
        bail!("a value is written too strangely to be read");
    }
    if let Some(text) = token.strip_prefix('\'') {
        return Ok(Some(unquoted(text, '\'')));
    }
    let is_text_next = words.0.starts_with('\'');
    match token.to_ascii_lowercase().as_str() {
        "null" => Ok(None),
        // PostgreSQL's text with backslashes, and bytes, which are in no column that is looked at.
        "e" if is_text_next => Ok(value(words, depth + 1)?.map(|text| text.replace("\\\\", "\\"))),
        "x" if is_text_next => value(words, depth + 1),
        "-" => Ok(value(words, depth + 1)?.map(|number| format!("-{number}"))),
        "true" | "false" => Ok(Some(token.to_owned())),
        call @ ("replace" | "char" | "unistr") if words.skip("(") => {
            let mut given = vec![value(words, depth + 1)?];
            while words.skip(",") {
                given.push(value(words, depth + 1)?);
            }
            if !words.skip(")") {
                bail!("a row does not end where it should");
            }
            called(call, &given).map(Some)
        }
        number if number.starts_with(|first: char| first.is_ascii_digit()) => Ok(Some(token.to_owned())),
        _ => bail!("a value is written too strangely to be read: {token}"),
    }
}

fn called(call: &str, given: &[Option<String>]) -> anyhow::Result<String> {
    match (call, given) {
        ("replace", [Some(text), Some(from), Some(to)]) => Ok(text.replace(from, to)),
        ("unistr", [Some(text)]) => decoded(text),
        ("char", [Some(number)]) => {
            let character = number.parse().ok().and_then(char::from_u32);
            Ok(character.context("char() of no character")?.to_string())
        }
        _ => bail!("a value is written too strangely to be read: {call}(…)"),
    }
}

/// `\u000a` and `\\` in the text of `unistr()`.
fn decoded(text: &str) -> anyhow::Result<String> {
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        value.push_str(before);
        rest = if let Some(after) = after.strip_prefix('\\') {
            value.push('\\');
            after
        } else {
            let code = after.strip_prefix('u').and_then(|after| after.get(..4));
            let character = code.and_then(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
            value.push(character.context("unistr() of no character")?);
            &after[5..]
        };
    }
    value.push_str(rest);
    Ok(value)
}

/// What stands between two quotes, each quote within doubled.
fn unquoted(text: &str, quote: char) -> String {
    let text = text.strip_suffix(quote).unwrap_or(text);
    text.replace(&format!("{quote}{quote}"), &quote.to_string())
}

/// The rest of a statement, read token by token.
struct Words<'s>(&'s str);

impl<'s> Words<'s> {
    /// What is left, after blanks and remarks.
    fn rest(&mut self) -> &'s str {
        loop {
            self.0 = self.0.trim_start();
            match self.0.strip_prefix("--") {
                Some(remark) => self.0 = remark.split_once('\n').map_or("", |(_, after)| after),
                None => return self.0,
            }
        }
    }

    /// The next token: a text or name in its quotes, a word or number, or one sign.
    fn token(&mut self) -> Option<&'s str> {
        let rest = self.rest();
        let first = rest.chars().next()?;
        let length = match first {
            '\'' | '"' | '`' => quoted_length(rest, first)?,
            '[' => rest.find(']')? + 1,
            _ if first.is_ascii_digit() => number_length(rest),
            _ if is_of_word(first) => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        self.0 = after;
        Some(token)
    }

    fn skip(&mut self, sign: &str) -> bool {
        let after = self.rest().strip_prefix(sign);
        if let Some(after) = after {
            self.0 = after;
        }
        after.is_some()
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let before = self.0;
        let is_it = self.token().is_some_and(|token| token.eq_ignore_ascii_case(word));
        if !is_it {
            self.0 = before;
        }
        is_it
    }

    fn name(&mut self) -> Option<String> {
        let token = self.token()?;
        match token.chars().next()? {
            quote @ ('"' | '`' | '\'') => Some(unquoted(&token[1..], quote)),
            '[' => Some(token.trim_matches(['[', ']']).to_owned()),
            first if is_of_word(first) => Some(token.to_owned()),
            _ => None,
        }
    }

    /// A table's name, perhaps after its schema's.
    fn table(&mut self) -> Option<Name> {
        let mut name = self.name()?;
        while self.skip(".") {
            name = self.name()?;
        }
        Some(name)
    }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || ['_', '$'].contains(&character)
}

/// How long a number is: `12`, `2.5`, `9.0e+99`.
fn number_length(text: &str) -> usize {
    let mut before = ' ';
    let end = text.find(|character: char| {
        let is_sign = ['+', '-'].contains(&character) && ['e', 'E'].contains(&before);
        before = character;
        !(character.is_ascii_alphanumeric() || character == '.' || is_sign)
    });
    end.unwrap_or(text.len())
}

/// How long a text or name is with its quotes.
fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + quote.len_utf8());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(statement: &str) -> Vec<Vec<Option<String>>> {
        let mut inserted = inserted(statement).unwrap();
        std::iter::from_fn(|| inserted.next_row().unwrap()).collect()
    }

    fn one(statement: &str) -> Vec<Option<String>> {
        let mut rows = rows(statement);
        assert_eq!(rows.len(), 1, "{statement}");
        rows.remove(0)
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn rows_are_read_as_sqlite_and_postgresql_write_them() {
        assert_eq!(
            one("INSERT INTO stock VALUES(3,'It''s; (x), --y',-1,2.5e-05,NULL);")[..4],
            some(&["3", "It's; (x), --y", "-1", "2.5e-05"])
        );
        assert_eq!(
            rows("INSERT INTO public.\"sale\" (id, \"order\") VALUES\n\t(1, 'a'),\n\t(2, NULL);"),
            [some(&["1", "a"]), vec![Some("2".to_owned()), None]]
        );
        assert_eq!(
            one("INSERT INTO sale OVERRIDING SYSTEM VALUE VALUES (1, true, E'a\\\\b');"),
            some(&["1", "true", "a\\b"])
        );
        assert_eq!(
            one("INSERT INTO a VALUES(replace(replace('x\\r\\ny','\\r',char(13)),'\\n',char(10)));"),
            some(&["x\r\ny"])
        );
        assert_eq!(
            one("INSERT INTO a VALUES(unistr('x\\u000ay\\\\'), X'00ff');"),
            some(&["x\ny\\", "00ff"])
        );
        assert_eq!(one("INSERT INTO a VALUES('two\nlines');"), some(&["two\nlines"]));
    }

    #[test]
    fn columns_are_those_of_the_table() {
        let (name, columns) = created(
            "CREATE TABLE IF NOT EXISTS \"sale\" (\n\tid INTEGER NOT NULL, -- the user's, its own\n\t\"primary\" NUMERIC(10, 2) \
             DEFAULT (1 + (2)),\n\t[order] VARCHAR CHECK (a IN ('x,y', ')')),\n\tPRIMARY KEY (id, \"primary\"),\n\t\
             FOREIGN KEY(x) REFERENCES y (z)\n);",
        )
        .unwrap();
        assert_eq!(
            (name.as_str(), columns.join(" ")),
            ("sale", "id primary order".to_owned())
        );
        assert!(created("CREATE INDEX a ON sale (id);").is_none());
        assert!(created("CREATE TABLE a AS SELECT 1;").is_none());
    }

    #[test]
    fn a_statement_ends_at_its_semicolon_and_at_no_other() {
        let ends = |text: &str| {
            let mut end = End::default();
            text.lines()
                .map(|line| end.is_reached_with(line.as_bytes()))
                .collect::<Vec<_>>()
        };
        assert_eq!(ends("INSERT INTO a VALUES('x;\n;''\n');"), [false, false, true]);
        assert_eq!(
            ends("CREATE TABLE a (-- it's;\n\"b;\" int\n);"),
            [false, false, true]
        );
        assert_eq!(
            ends("CREATE FUNCTION f() AS $_x$\nINSERT INTO sale; '\n$_x$;"),
            [false, false, true]
        );
    }

    #[test]
    fn what_these_programs_do_not_write_is_refused() {
        for row in [
            "(1",
            "(1 2)",
            "(now())",
            "(1 + 2)",
            "('a)",
            "(char(x))",
            "(unistr('\\u12'))",
            "(DEFAULT)",
            "()",
        ] {
            let statement = format!("INSERT INTO a VALUES {row};");
            let mut read = inserted(&statement).unwrap();
            assert!(read.next_row().is_err(), "{row}");
        }
        for deep in ["replace(", "- "] {
            let statement = format!("INSERT INTO a VALUES ({}", deep.repeat(1_000_000));
            assert!(inserted(&statement).unwrap().next_row().is_err());
        }
        assert!(inserted("INSERT INTO a SELECT 1;").is_none());
    }
}
