//! Statements that SQLite and PostgreSQL both execute.
//!
//! A statement is written once, in SQL that both understand, with numbered placeholders such as `?1`. This file
//! translates the differences: placeholders, lists, the clock, row locks and the hidden row id. A statement with other
//! differences has a text for each database, see [`either`].

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Postgres, SqlSafeStr as _, Sqlite, Type};

use super::pool::{Connection, Pool};

/// The present by PostgreSQL's clock. It is constant within a statement, so conditions on it can use an index.
pub(super) const PRESENT: &str = "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS BIGINT)";

/// A value that a placeholder stands for.
#[derive(Debug, Clone)]
pub(super) enum Value<'q> {
    Integer(Option<i64>),
    Flag(bool),
    Text(Option<Cow<'q, str>>),
    Bytes(Vec<u8>),
    /// Texts, as JSON. The placeholder stands for a table with one column, `value`.
    List(String),
    /// `later` milliseconds after the present.
    Moment {
        /// By the clock of this machine.
        present: i64,
        later: i64,
    },
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Self::Integer(Some(value.into()))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl<'q> From<&'q str> for Value<'q> {
    fn from(value: &'q str) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl<'q> From<&'q String> for Value<'q> {
    fn from(value: &'q String) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl<'q> From<Option<&'q str>> for Value<'q> {
    fn from(value: Option<&'q str>) -> Self {
        Self::Text(value.map(Into::into))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

/// A statement with its values.
#[derive(Debug)]
pub(super) struct Query<'q> {
    sqlite: Cow<'static, str>,
    /// `None` if the text is the same.
    postgres: Option<Cow<'static, str>>,
    values: Vec<Value<'q>>,
}

/// A statement that both databases understand.
pub(super) fn query<'q>(sql: impl Into<Cow<'static, str>>) -> Query<'q> {
    Query { sqlite: sql.into(), postgres: None, values: Vec::new() }
}

/// A statement with a text for each database.
pub(super) fn either<'q>(
    sqlite: impl Into<Cow<'static, str>>,
    postgres: impl Into<Cow<'static, str>>,
) -> Query<'q> {
    Query { sqlite: sqlite.into(), postgres: Some(postgres.into()), values: Vec::new() }
}

/// Where a statement runs.
pub(super) enum On<'c> {
    Pool(&'c Pool),
    Connection(&'c mut Connection),
}

impl<'c> From<&'c Pool> for On<'c> {
    fn from(pool: &'c Pool) -> Self {
        Self::Pool(pool)
    }
}

impl<'c> From<&'c mut Connection> for On<'c> {
    fn from(connection: &'c mut Connection) -> Self {
        Self::Connection(connection)
    }
}

impl<'q> Query<'q> {
    /// The value of the next placeholder.
    pub(super) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// The next placeholder is a moment, `later` milliseconds after the present. SQLite takes `present`, by the clock of
    /// this machine. PostgreSQL takes its own clock, because the clocks of several machines differ.
    pub(super) fn bind_moment(self, present: i64, later: i64) -> Self {
        self.bind(Value::Moment { present, later })
    }

    /// The next placeholder is a table of these texts.
    pub(super) fn bind_list<T: serde::Serialize>(self, texts: &[T]) -> Self {
        self.bind(Value::List(serde_json::json!(texts).to_string()))
    }

    /// Appends to the text.
    pub(super) fn push(self, sql: &str) -> Self {
        self.push_either(sql, sql)
    }

    /// Appends to the text of each database. The statement must have a text for each.
    pub(super) fn push_either(mut self, sqlite: &str, postgres: &str) -> Self {
        self.sqlite.to_mut().push_str(sqlite);
        if let Some(text) = &mut self.postgres {
            text.to_mut().push_str(postgres);
        }
        self
    }

    /// Appends a placeholder and binds its value.
    pub(super) fn push_bind(self, value: impl Into<Value<'q>>) -> Self {
        let placeholder = format!("?{}", self.values.len() + 1);
        self.push(&placeholder).bind(value)
    }

    /// Runs the statement. Returns how many rows it changed.
    pub(super) async fn execute<'c>(self, on: impl Into<On<'c>>) -> Result<u64, sqlx::Error> {
        // On the heap, because both drivers' futures are large and deep.
        Box::pin(self.execute_on(on.into())).await
    }

    async fn execute_on(self, on: On<'_>) -> Result<u64, sqlx::Error> {
        let changed = match on {
            On::Pool(Pool::Sqlite(pool, log)) => {
                let done = self.in_sqlite().execute(pool).await?;
                if done.rows_affected() > 0 {
                    log.sync().await?;
                }
                done.rows_affected()
            }
            On::Pool(Pool::Postgres(pool)) => {
                let mut transaction = pool.begin().await?;
                let done = self.in_postgres().execute(transaction.connection()).await?;
                transaction.commit().await?;
                done.rows_affected()
            }
            On::Connection(Connection::Postgres(transaction)) => {
                self.in_postgres().execute(transaction.connection()).await?.rows_affected()
            }
            On::Connection(Connection::Sqlite(connection)) => {
                self.in_sqlite().execute(&mut **connection).await?.rows_affected()
            }
            On::Connection(Connection::SqliteTransaction(transaction, _)) => {
                self.in_sqlite().execute(&mut **transaction).await?.rows_affected()
            }
        };
        Ok(changed)
    }

    /// Runs the statement and returns its rows.
    pub(super) async fn fetch_all<'c>(self, on: impl Into<On<'c>>) -> Result<Vec<Row>, sqlx::Error> {
        Box::pin(self.fetch_on(on.into())).await
    }

    async fn fetch_on(self, on: On<'_>) -> Result<Vec<Row>, sqlx::Error> {
        let of_sqlite = |rows: Vec<_>| rows.into_iter().map(Row::Sqlite).collect();
        let of_postgres = |rows: Vec<_>| rows.into_iter().map(Row::Postgres).collect();
        match on {
            // Not synced: outside of a transaction, statements that write and return rows only claim something, such as
            // a lease or a message, and a power cut may undo that.
            On::Pool(Pool::Sqlite(pool, _)) => self.in_sqlite().fetch_all(pool).await.map(of_sqlite),
            On::Pool(Pool::Postgres(pool)) => {
                let mut transaction = pool.begin().await?;
                let rows = self.in_postgres().fetch_all(transaction.connection()).await?;
                transaction.commit().await?;
                Ok(of_postgres(rows))
            }
            On::Connection(Connection::Postgres(transaction)) => {
                self.in_postgres().fetch_all(transaction.connection()).await.map(of_postgres)
            }
            On::Connection(Connection::Sqlite(connection)) => {
                self.in_sqlite().fetch_all(&mut **connection).await.map(of_sqlite)
            }
            On::Connection(Connection::SqliteTransaction(transaction, _)) => {
                self.in_sqlite().fetch_all(&mut **transaction).await.map(of_sqlite)
            }
        }
    }

    /// Runs the statement and returns its first row.
    pub(super) async fn fetch_optional<'c>(self, on: impl Into<On<'c>>) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.fetch_all(on).await?.into_iter().next())
    }

    /// Runs a statement that always has a row.
    pub(super) async fn fetch_one<'c>(self, on: impl Into<On<'c>>) -> Result<Row, sqlx::Error> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    fn in_sqlite(self) -> sqlx::query::Query<'q, Sqlite, SqliteArguments> {
        let sql = sqlite_text(self.sqlite, &self.values);
        let mut query = sqlx::query(AssertSqlSafe(sql).into_sql_str());
        for value in self.values {
            query = match value {
                Value::Integer(value) => query.bind(value),
                Value::Flag(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
                Value::List(json) => query.bind(json),
                Value::Moment { present, later } => query.bind(present.saturating_add(later)),
            };
        }
        query
    }

    fn in_postgres(self) -> sqlx::query::Query<'q, Postgres, PgArguments> {
        let sql = postgres_text(self.postgres.as_deref().unwrap_or(&self.sqlite), &self.values);
        // Without a name, because a pooler in front of the database may give each transaction another connection.
        let mut query = sqlx::query(AssertSqlSafe(sql).into_sql_str()).persistent(false);
        for value in self.values {
            query = match value {
                Value::Integer(value) => query.bind(value),
                Value::Flag(value) => query.bind(value),
                Value::Text(value) => query.bind(value.map(storable)),
                Value::Bytes(value) => query.bind(value),
                Value::List(json) => query.bind(json),
                Value::Moment { later, .. } => query.bind(later),
            };
        }
        query
    }
}

/// PostgreSQL stores every character but NUL.
fn storable(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text }
}

/// JSON without NUL, which PostgreSQL can store but not read.
pub(super) fn storable_json(json: String) -> String {
    if !json.contains("\\u0000") {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some((before, escape)) = rest.split_once('\\') {
        out.push_str(before);
        if let Some(after) = escape.strip_prefix("u0000") {
            out.push('\u{fffd}');
            rest = after;
        } else {
            let (escaped, after) = escape.split_at_checked(1).unwrap_or((escape, ""));
            out.push('\\');
            out.push_str(escaped);
            rest = after;
        }
    }
    out + rest
}

/// The text with each placeholder as `spell` writes it.
fn spelled(text: &str, spell: impl Fn(usize) -> String) -> String {
    let mut parts = text.split('?');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|character: char| character.is_ascii_digit());
        let number = part.strip_suffix(rest).and_then(|number| number.parse().ok());
        out.push_str(&spell(number.unwrap_or_default()));
        out.push_str(rest);
    }
    out
}

fn value_of<'v, 'q>(values: &'v [Value<'q>], number: usize) -> Option<&'v Value<'q>> {
    values.get(number.checked_sub(1)?)
}

/// SQLite has one writer at a time, so it needs no row locks.
fn sqlite_text(text: Cow<'static, str>, values: &[Value<'_>]) -> Cow<'static, str> {
    let text = if text.contains(" FOR UPDATE") {
        text.replace(" FOR UPDATE SKIP LOCKED", "").replace(" FOR UPDATE", "").into()
    } else {
        text
    };
    if !values.iter().any(|value| matches!(value, Value::List(_))) {
        return text;
    }
    let spell = |number| match value_of(values, number) {
        Some(Value::List(_)) => format!("json_each(?{number})"),
        _ => format!("?{number}"),
    };
    spelled(&text, spell).into()
}

fn postgres_text(text: &str, values: &[Value<'_>]) -> String {
    let spell = |number| match value_of(values, number) {
        Some(Value::List(_)) => format!("json_array_elements_text(CAST(${number} AS json))"),
        Some(Value::Moment { .. }) => format!("({PRESENT} + ${number})"),
        _ => format!("${number}"),
    };
    spelled(text, spell).replace("rowid", "ctid")
}

/// A row of a result.
#[derive(Debug)]
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column, by its name or number.
    pub(super) fn try_get<'r, T, I>(&'r self, index: I) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            Self::Sqlite(row) => sqlx::Row::try_get(row, index),
            Self::Postgres(row) => sqlx::Row::try_get(row, index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_spelled_for_each_database() {
        let text = "UPDATE a SET b = ?2 WHERE id IN (SELECT value FROM ?1) AND rowid > 0 AND until < ?12 FOR UPDATE SKIP LOCKED";
        let mut values = vec![Value::List("[]".into()), Value::from(true)];
        values.resize(11, Value::from(1_i64));
        values.push(Value::Moment { present: 5, later: 0 });
        assert_eq!(
            sqlite_text(text.into(), &values),
            "UPDATE a SET b = ?2 WHERE id IN (SELECT value FROM json_each(?1)) AND rowid > 0 AND until < ?12"
        );
        assert_eq!(
            postgres_text(text, &values),
            format!(
                "UPDATE a SET b = $2 WHERE id IN (SELECT value FROM json_array_elements_text(CAST($1 AS json))) \
                 AND ctid > 0 AND until < ({PRESENT} + $12) FOR UPDATE SKIP LOCKED"
            )
        );
    }

    #[test]
    fn the_character_nul_is_replaced_but_not_its_spelling() {
        for (json, stored) in [
            (r#"{"a":"x\u0000y"}"#, "{\"a\":\"x\u{fffd}y\"}"),
            (r#"{"a":"x\\u0000y"}"#, r#"{"a":"x\\u0000y"}"#),
            (r#"{"a":"\\\u0000\"\n"}"#, "{\"a\":\"\\\\\u{fffd}\\\"\\n\"}"),
            ("{}", "{}"),
        ] {
            assert_eq!(storable_json(json.to_owned()), stored);
        }
        assert_eq!(storable("a\0b".into()), "a\u{fffd}b");
    }
}
