//! Tables of views: their definition and the SQL that follows from it.

use std::fmt::Write as _;

use daybook_core::Hash;

/// A table of a view.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// Its columns; those of the primary key come first.
    pub columns: &'static [Column],
    /// How many columns make the primary key.
    pub keys: usize,
    /// How full a page is made, in per cent: room for rows that change.
    pub fill: u8,
    /// Further indexes: columns in parentheses, and a condition if there is one.
    pub indexes: &'static [&'static str],
}

/// A column of a view's table.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub about: &'static str,
    /// Its type: [`super::Cell::COLUMN`].
    pub column: &'static str,
    /// [`super::Cell::SENT`].
    pub sent: &'static str,
    /// [`super::Cell::TAKEN`].
    pub taken: &'static str,
}

impl Table {
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().take(self.keys).map(|column| column.name)
    }

    fn key_list(&self) -> String {
        self.keys().collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn column_list(&self, prefix: &str) -> String {
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("{prefix}{}", column.name))
            .collect();
        names.join(", ")
    }

    /// The statements that make it in a schema, with comments.
    pub(crate) fn ddl(&self, schema: &str) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("{} {}", column.name, column.column))
            .collect();
        let table = format!("{schema}.{}", self.name);
        let mut sql = format!(
            "CREATE TABLE {table} ({}, PRIMARY KEY ({})) WITH (fillfactor = {});\n",
            columns.join(", "),
            self.key_list(),
            self.fill
        );
        for index in self.indexes {
            _ = writeln!(sql, "CREATE INDEX ON {table} {index};");
        }
        _ = writeln!(sql, "COMMENT ON TABLE {table} IS {};", literal(self.about));
        for column in self.columns {
            let about = literal(column.about);
            _ = writeln!(sql, "COMMENT ON COLUMN {table}.{} IS {about};", column.name);
        }
        sql
    }

    /// One row for each element of the arrays; a row that is there is replaced.
    pub(crate) fn upsert(&self, schema: &str) -> String {
        let each = |text: &dyn Fn(usize, &Column) -> String| {
            let parts: Vec<String> = self
                .columns
                .iter()
                .enumerate()
                .map(|(n, column)| text(n, column))
                .collect();
            parts.join(", ")
        };
        let changes: Vec<String> = self
            .columns
            .iter()
            .skip(self.keys)
            .map(|column| format!("{0} = excluded.{0}", column.name))
            .collect();
        let resolution = if changes.is_empty() {
            "NOTHING".to_owned()
        } else {
            format!("UPDATE SET {}", changes.join(", "))
        };
        format!(
            "-- upsert_{name}
             INSERT INTO {schema}.{name} ({columns})
             SELECT {taken}
             FROM unnest({arrays}) AS w ({columns})
             ON CONFLICT ({keys}) DO {resolution}",
            name = self.name,
            columns = self.column_list(""),
            taken = each(&|_, column| column.taken.replace("{}", &format!("w.{}", column.name))),
            arrays = each(&|n, column| format!("${}::{}[]", n + 1, column.sent)),
            keys = self.key_list(),
        )
    }

    /// The rows of these keys.
    pub(crate) fn load(&self, schema: &str) -> String {
        let arrays: Vec<String> = self
            .columns
            .iter()
            .take(self.keys)
            .enumerate()
            .map(|(n, column)| format!("${}::{}[]", n + 1, column.sent))
            .collect();
        let on: Vec<String> = self.keys().map(|key| format!("t.{key} = w.{key}")).collect();
        format!(
            "-- load_{name}
             SELECT {columns}
             FROM unnest({arrays}) AS w ({keys})
             JOIN {schema}.{name} AS t ON {on}",
            name = self.name,
            columns = self.column_list("t."),
            arrays = arrays.join(", "),
            keys = self.key_list(),
            on = on.join(" AND "),
        )
    }

    /// The rows with one of these texts in a column.
    pub(crate) fn load_by(&self, schema: &str, column: &str) -> String {
        format!(
            "-- load_{name}_by_{column}
             SELECT {columns}
             FROM {schema}.{name}
             WHERE {column} = ANY ($1)",
            name = self.name,
            columns = self.column_list(""),
        )
    }

    /// Every row in the order of the primary key: the key, and the whole row, as texts.
    pub(crate) fn walk(&self, schema: &str) -> String {
        format!(
            "-- walk_{name}
             SELECT ROW({keys})::text, t::text
             FROM {schema}.{name} AS t
             ORDER BY {keys}",
            name = self.name,
            keys = self.key_list(),
        )
    }
}

/// A digest of the definition of tables, so that one version never names two shapes.
pub(crate) fn shape(tables: &[&Table]) -> Hash {
    let ddl: String = tables.iter().map(|table| table.ddl("v")).collect();
    Hash::of(ddl.as_bytes())
}

fn literal(text: &str) -> String {
    format!("'{}'", text.trim().replace('\'', "''"))
}

/// Declares the row of a view's table: a struct whose documented fields are the commented columns.
///
/// The fields of the first braces are the primary key. See the views of `daybook-views` for examples.
#[macro_export]
macro_rules! rows {
    (
        $(#[doc = $about:literal])+
        pub struct $row:ident in $table:literal, fill $fill:literal, indexes [$($index:literal),* $(,)?] {
            key { $($(#[doc = $kabout:literal])+ $kname:ident: $ktype:ty,)+ }
            $($(#[doc = $cabout:literal])+ $cname:ident: $ctype:ty,)*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $row {
            $($(#[doc = $kabout])+ pub $kname: $ktype,)+
            $($(#[doc = $cabout])+ pub $cname: $ctype,)*
        }

        impl $crate::project::Row for $row {
            type Key = ($($ktype,)+);
            const TABLE: &'static $crate::project::Table = &$crate::project::Table {
                name: $table,
                about: concat!($($about),+),
                columns: &[
                    $($crate::rows!(@column $kname, $ktype, $($kabout)+),)+
                    $($crate::rows!(@column $cname, $ctype, $($cabout)+),)*
                ],
                keys: [$(stringify!($kname)),+].len(),
                fill: $fill,
                indexes: &[$($index),*],
            };

            fn key(&self) -> Self::Key {
                ($(self.$kname.clone(),)+)
            }

            fn read(columns: &mut $crate::project::Columns<'_>) -> Result<Self, $crate::StoreError> {
                Ok(Self {
                    $($kname: columns.next()?,)+
                    $($cname: columns.next()?,)*
                })
            }

            fn arrays<'a>(rows: &[&'a Self]) -> Vec<$crate::project::Array<'a>> {
                vec![
                    $($crate::project::array(rows.iter().map(|row| &row.$kname)),)+
                    $($crate::project::array(rows.iter().map(|row| &row.$cname)),)*
                ]
            }
        }
    };
    (@column $name:ident, $type:ty, $($about:literal)+) => {
        $crate::project::Column {
            name: stringify!($name),
            about: concat!($($about),+),
            column: <$type as $crate::project::Cell>::COLUMN,
            sent: <$type as $crate::project::Cell>::SENT,
            taken: <$type as $crate::project::Cell>::TAKEN,
        }
    };
}
