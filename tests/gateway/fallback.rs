//! Saved configs with several targets: a provider that fails in whatever way gives way to the next.

use std::time::{Duration, Instant};

use crate::{
    net::{Connection, Message, Upstream},
    process::{Gateway, STORED, by_key, entry, required, saved},
};

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
                      9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\n0\r\n\r\n";
const BODY: &str = r#"{"model":"gpt-4o","messages":[],"stream":true}"#;

/// What a first target may do.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Status,
    Reset,
    Stall,
    Nobody,
}

async fn faulty(fault: Fault) -> Upstream {
    Upstream::start(move |mut connection: Connection| async move {
        while connection.request().await.is_some() {
            match fault {
                Fault::Status => connection.send("HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops").await,
                Fault::Reset | Fault::Nobody => return connection.wire.reset(),
                Fault::Stall => return connection.wire.closed().await,
            }
        }
    })
    .await
}

/// A gateway whose `@first` has this fault and whose `@second` streams.
async fn gateway(first: &Upstream, second: &Upstream, fault: Fault) -> Gateway {
    let nobody = crate::net::nobody().expect("an address");
    let address = if matches!(fault, Fault::Nobody) { nobody } else { first.address };
    let config = r#"{"strategy":{"mode":"fallback"},"request_timeout":400,"targets":[{"provider":"@first"},{"provider":"@second"}]}"#;
    let settings = [
        required(second),
        entry("first", "openai", &format!("custom_host = \"http://{address}/first\"")),
        entry("second", "groq", &format!("custom_host = \"{}\"", second.url("/second"))),
        saved("pc-fallback", config, ""),
    ];
    Gateway::start(&settings.concat()).await
}

fn assert_answered_by_the_second(answer: &Message, what: &str) {
    assert_eq!((answer.status(), answer.text()), (200, "data: a\n\ndata: b\n\n".to_owned()), "{what}: {answer:?}");
    assert!(answer.whole);
    assert_eq!(answer.header("x-portkey-last-used-option-index"), Some("config.targets[1]"), "{what}");
    assert_eq!(answer.header("x-portkey-provider"), Some("groq"), "{what}");
}

#[tokio::test]
async fn the_second_target_answers_for_a_first_that_fails() {
    for fault in [Fault::Status, Fault::Reset, Fault::Stall, Fault::Nobody] {
        let (first, second) = (faulty(fault).await, Upstream::answering(STREAM).await);
        let gateway = gateway(&first, &second, fault).await;
        let inline = r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@first","request_timeout":400},{"virtual_key":"second"}]}"#;
        for config in ["pc-fallback", inline] {
            let began = Instant::now();
            let lines = format!("content-type: application/json\r\nx-portkey-config: {config}\r\n");
            let answer = gateway.ask(by_key(&lines, BODY)).await;
            assert_answered_by_the_second(&answer, &format!("{fault:?} {config}"));
            assert!(began.elapsed() < Duration::from_secs(5), "{fault:?} {config}");
        }
        for request in first.requests().iter().chain(&second.requests()) {
            assert_eq!(request.text(), BODY, "{fault:?}");
            assert_eq!(request.header("authorization"), Some(&*format!("Bearer {STORED}")), "{fault:?}");
        }
        assert_eq!(first.requests().len(), if matches!(fault, Fault::Nobody) { 0 } else { 2 }, "{fault:?}");
        assert_eq!(second.requests().len(), 2, "{fault:?}");
        assert!(gateway.said().iter().all(|line| !line.contains(STORED)));
    }
}

#[tokio::test]
async fn the_last_failure_is_told_where_no_target_is_left() {
    let (first, second) = (faulty(Fault::Reset).await, faulty(Fault::Status).await);
    let gateway = gateway(&first, &second, Fault::Reset).await;
    let lines = "content-type: application/json\r\nx-portkey-config: pc-fallback\r\n";
    let answer = gateway.ask(by_key(lines, BODY)).await;
    assert_eq!((answer.status(), answer.text()), (500, "oops".to_owned()), "{answer:?}");
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
}
