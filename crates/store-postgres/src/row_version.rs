//! Which version of a row was read: where the server keeps it (`ctid`), and which transaction wrote it (`xmin`).
//!
//! A row that is written moves and has another writer. So a row that is found at the same spot, under the same key and with
//! the same writer is the very one that was read, and finding it costs no search.

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

type Unreadable = Box<dyn std::error::Error + Sync + Send>;

/// Where the server keeps a version of a row: a page and a place in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spot([u8; 6]);

/// The transaction that wrote a version of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Writer(u32);

/// A version of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RowVersion {
    pub(crate) spot: Spot,
    pub(crate) writer: Writer,
}

impl<'a> FromSql<'a> for Spot {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Unreadable> {
        Ok(Self(raw.try_into()?))
    }

    accepts!(TID);
}

impl ToSql for Spot {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Unreadable> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(TID);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Writer {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Unreadable> {
        Ok(Self(u32::from_be_bytes(raw.try_into()?)))
    }

    accepts!(XID);
}

impl ToSql for Writer {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Unreadable> {
        out.put_u32(self.0);
        Ok(IsNull::No)
    }

    accepts!(XID);
    to_sql_checked!();
}
