//! The gateway's own identity: one question at a time, and its answer kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use tower_portkey::{
    Secret,
    context::AwsKeys,
    guard::Decision,
    rejection::Kind,
    sign::{CachedCredentials, ProvideCredentials as _},
};

async fn id(found: &CachedCredentials) -> Result<String, Kind> {
    let keys = match found.provide() {
        Decision::Now(keys) => keys,
        Decision::Later(keys) => keys.await,
    };
    keys.map(|keys| keys.access_key_id().to_owned()).map_err(|refused| refused.kind())
}

#[tokio::test]
async fn what_was_found_is_kept_until_shortly_before_its_end() {
    let (now, asked, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(3600)));
    let broken = Arc::new(AtomicBool::new(false));
    let found = {
        let (asked, ends, broken) = (Arc::clone(&asked), Arc::clone(&ends), Arc::clone(&broken));
        CachedCredentials::new(move || {
            let call = asked.fetch_add(1, Ordering::SeqCst);
            let (end, broken) = (ends.load(Ordering::SeqCst), broken.load(Ordering::SeqCst));
            async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if broken {
                    return Err("nobody answers".into());
                }
                let keys = AwsKeys::new(&format!("ASIA{call}"), Secret::from("s"), Some(Secret::from("t")))?;
                Ok((keys, (end > 0).then(|| UNIX_EPOCH + Duration::from_secs(end))))
            }
        })
    };
    let clock = Arc::clone(&now);
    let found = found.clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst)));

    let all: Vec<_> = (0..100)
        .map(|_| {
            let found = found.clone();
            tokio::spawn(async move { id(&found).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.expect("no panic"), Ok("ASIA0".to_owned()));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    for (at, end, fails, expected) in [
        (3299, 3600, false, Ok("ASIA0")),
        (3301, 3600, true, Ok("ASIA0")),
        (3601, 3600, true, Err(Kind::Unavailable)),
        (3601, 0, false, Ok("ASIA3")),
        (3601 + 899, 0, false, Ok("ASIA3")),
        (3601 + 901, 0, false, Ok("ASIA3")),
        (3601 + 902, 0, false, Ok("ASIA4")),
    ] {
        now.store(at, Ordering::SeqCst);
        ends.store(end, Ordering::SeqCst);
        broken.store(fails, Ordering::SeqCst);
        assert_eq!(id(&found).await, expected.map(str::to_owned), "{at}");
        // Nobody waits for the next one while there is one, but this test.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
}

#[cfg(feature = "aws-ambient")]
mod chain {
    use std::process::Command;

    use super::*;
    use crate::net::Upstream;

    /// The environment belongs to the process, so each case is a process of its own: this test binary, once more.
    fn within(variables: &[(&str, &str)]) -> String {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["--exact", "ambient::chain::prints_what_it_finds", "--ignored", "--nocapture"]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        let none = [
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/none"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/none"),
        ];
        let output = command.envs(none).envs(variables.iter().copied()).output().expect("an output");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find_map(|line| line.split_once("found: ")).map(|(_, found)| found.to_owned()).expect(&text)
    }

    #[tokio::test]
    #[ignore = "run by the tests below"]
    async fn prints_what_it_finds() {
        let id = id(&tower_portkey::aws_ambient()).await;
        #[allow(clippy::print_stdout)]
        {
            println!("\nfound: {id:?}");
        }
    }

    #[test]
    fn the_environment_and_nothing() {
        let keys = [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
        assert_eq!(within(&keys), "Ok(\"AKIDENV\")");
        assert_eq!(within(&[]), "Err(Unavailable)");
    }

    #[tokio::test]
    async fn the_container() {
        let body = r#"{"AccessKeyId":"ASIAECS","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
        let upstream =
            Upstream::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
        let url = upstream.url("/credentials");
        let found = tokio::task::spawn_blocking(move || within(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)]));
        assert_eq!(found.await.expect("no panic"), "Ok(\"ASIAECS\")");
        assert_eq!(upstream.requests().len(), 1);
    }
}
