//! Limits around the stack: the snapshot file, what the admin listener tells, and `limits`, which prints it.

mod file;
mod keep;
mod page;
mod words;

use std::{
    error::Error,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use serde::Deserialize;
use tower_portkey::{context::Resource, limit::CounterState};

use crate::{fail, log::say, settings::Settings};

pub(crate) use file::{restore, save};
pub(crate) use keep::Keeper;
pub(crate) use page::{json, metrics};
pub(crate) use words::words;

/// How long the gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Prints the table of the gateway that has these settings.
pub(crate) fn run(config: &Path) -> ExitCode {
    let admin = match Settings::read(config).map(|settings| settings.admin_listen) {
        Ok(Some(admin)) => admin,
        Ok(None) => return fail("the settings have no admin_listen: nobody can be asked where limits stand"),
        Err(error) => return fail(&error.to_string()),
    };
    match table(admin) {
        Ok(lines) => {
            lines.iter().for_each(|line| say(line));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

/// Lines for people, asked of the gateway that has its admin listener there.
fn table(admin: SocketAddr) -> Result<Vec<String>, Box<dyn Error>> {
    let page: Page = serde_json::from_str(&ask(admin)?)?;
    let head = ["COUNTER", "USED", "HELD", "LIMIT", "DENIED", "RESETS"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(page.counters.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    Ok(rows.iter().map(line).collect())
}

#[derive(Deserialize)]
struct Page {
    counters: Vec<CounterState>,
}

fn row(state: &CounterState) -> [String; 6] {
    let amount = |amount: u64| match state.resource {
        Resource::Cost => format!("{:.6} USD", amount as f64 / 1e9),
        _ => amount.to_string(),
    };
    let resets = state.resets_at.and_then(|at| jiff::Timestamp::from_second(i64::try_from(at).ok()?).ok());
    // A name may hold what a caller's issuer put there: nothing of it moves the cursor.
    let name = state.name.escape_debug().to_string();
    [
        name,
        amount(state.used),
        amount(state.held),
        state.limit.map_or_else(|| "-".to_owned(), amount),
        state.denied.to_string(),
        resets.map_or_else(|| "never".to_owned(), |at| at.to_string()),
    ]
}

/// `GET /limits`, by HTTP/1.0: the answer ends with the connection.
fn ask(admin: SocketAddr) -> Result<String, Box<dyn Error>> {
    let failed = |error: std::io::Error| format!("the gateway's admin listener at {admin} can't be asked: {error}");
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET /limits HTTP/1.0\r\nhost: {admin}\r\n\r\n").as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    stream.take(256 * 1024 * 1024).read_to_string(&mut answer).map_err(failed)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the admin listener gave no answer")?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(format!("the admin listener at {admin} does not tell where limits stand").into()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tower_portkey::{
        context::{Principal, RateLimit},
        limit::{Counter as _, LocalCounters, Want},
    };

    use super::*;

    #[test]
    fn the_table_says_what_the_listener_says() {
        let counters = LocalCounters::new();
        let limits = RateLimit::from_json(r#"{"unit":"rpw","value":7}"#).expect("a limit");
        drop(counters.take(Principal::new("k\u{1b}").with_limits(Vec::new(), limits).rules(), &Want::ONE));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let page = json(&counters);
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a caller");
            let _ = socket.read(&mut [0; 1024]).expect("a request");
            write!(socket, "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{page}").expect("an answer");
        });
        let lines = table(address).expect("a table");
        server.join().expect("a thread");
        assert!(lines[0].starts_with("COUNTER"), "{lines:?}");
        assert!(lines[1].starts_with(r"default-requests-API_KEY-k\u{1b}-rpw  1     0     7"), "{lines:?}");
        assert!(table(address).is_err());
    }
}
