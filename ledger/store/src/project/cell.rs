//! Types of columns: how each stands in a table, travels in `unnest`, and comes back.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// A value of a column.
pub trait Cell: Sized {
    /// The column's type, with collation and whether it may be null.
    const COLUMN: &'static str;
    /// The type of one element of the array in which it travels.
    const SENT: &'static str;
    /// The array's element turned into the column's value; `{}` stands for the element.
    const TAKEN: &'static str;
    /// What travels.
    type Sent<'a>: ToSql + Sync + Send
    where
        Self: 'a;
    /// Makes it travel.
    fn send(&self) -> Self::Sent<'_>;
    /// Reads a column.
    fn read(row: &Row, column: usize) -> Result<Self, tokio_postgres::Error>;
}

macro_rules! plain {
    ($type:ty, $column:literal, $sent:literal, $travels:ty, |$value:ident| $send:expr, $read:ty, |$read_value:ident| $back:expr) => {
        impl Cell for $type {
            const COLUMN: &'static str = concat!($column, " NOT NULL");
            const SENT: &'static str = $sent;
            const TAKEN: &'static str = "{}";
            type Sent<'a> = $travels;
            fn send(&self) -> Self::Sent<'_> {
                let $value = self;
                $send
            }
            fn read(row: &Row, column: usize) -> Result<Self, tokio_postgres::Error> {
                let $read_value: $read = row.try_get(column)?;
                Ok($back)
            }
        }

        impl Cell for Option<$type> {
            const COLUMN: &'static str = $column;
            const SENT: &'static str = $sent;
            const TAKEN: &'static str = "{}";
            type Sent<'a> = Option<$travels>;
            fn send(&self) -> Self::Sent<'_> {
                self.as_ref().map(|$value| $send)
            }
            fn read(row: &Row, column: usize) -> Result<Self, tokio_postgres::Error> {
                let value: Option<$read> = row.try_get(column)?;
                Ok(value.map(|$read_value| $back))
            }
        }
    };
}

plain!(Uuid, "uuid", "uuid", Uuid, |v| *v, Uuid, |v| v);
plain!(i64, "bigint", "bigint", i64, |v| *v, i64, |v| v);
plain!(bool, "boolean", "boolean", bool, |v| *v, bool, |v| v);
plain!(
    String,
    "text COLLATE \"C\"",
    "text",
    &'a str,
    |v| v.as_str(),
    String,
    |v| v
);
// Indexes and sizes: they begin at 0 and stay far below 2^63.
plain!(
    u64,
    "bigint",
    "bigint",
    i64,
    |v| i64::try_from(*v).unwrap_or(i64::MAX),
    i64,
    |v| u64::try_from(v).unwrap_or_default()
);

/// Lists travel as one text, since `unnest` would flatten arrays of arrays. Their items hold no comma.
macro_rules! list {
    ($item:ty, $column:literal, $taken:literal) => {
        impl Cell for Vec<$item> {
            const COLUMN: &'static str = concat!($column, " NOT NULL");
            const SENT: &'static str = "text";
            const TAKEN: &'static str = $taken;
            type Sent<'a> = String;
            fn send(&self) -> String {
                let items: Vec<String> = self.iter().map(ToString::to_string).collect();
                items.join(",")
            }
            fn read(row: &Row, column: usize) -> Result<Self, tokio_postgres::Error> {
                row.try_get(column)
            }
        }
    };
}

list!(Uuid, "uuid[]", "string_to_array({}, ',')::uuid[]");
list!(String, "text[] COLLATE \"C\"", "string_to_array({}, ',')");

/// Texts that may hold anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl Cell for Texts {
    const COLUMN: &'static str = "text[] COLLATE \"C\" NOT NULL";
    const SENT: &'static str = "jsonb";
    const TAKEN: &'static str = "ARRAY(SELECT jsonb_array_elements_text({}))";
    type Sent<'a> = serde_json::Value;
    fn send(&self) -> serde_json::Value {
        self.0.clone().into()
    }
    fn read(row: &Row, column: usize) -> Result<Self, tokio_postgres::Error> {
        row.try_get(column).map(Self)
    }
}

/// Text to be searched, in four parts of falling weight. It is written and never read back: whoever changes the row
/// writes it anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub [String; 4]);

impl Cell for Words {
    const COLUMN: &'static str = "tsvector NOT NULL";
    const SENT: &'static str = "jsonb";
    const TAKEN: &'static str = "setweight(to_tsvector('pg_catalog.english', {} ->> 0), 'A')
        || setweight(to_tsvector('pg_catalog.english', {} ->> 1), 'B')
        || setweight(to_tsvector('pg_catalog.english', {} ->> 2), 'C')
        || setweight(to_tsvector('pg_catalog.english', {} ->> 3), 'D')";
    type Sent<'a> = serde_json::Value;
    fn send(&self) -> serde_json::Value {
        self.0.to_vec().into()
    }
    fn read(_: &Row, _: usize) -> Result<Self, tokio_postgres::Error> {
        Ok(Self::default())
    }
}
