//! A running gateway with settings of its own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    time::sleep,
};

use crate::net::{Message, SOON, Upstream, Wire, locked, soon};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_portkey-gateway");
pub(crate) const KEY: &str = "pk-7Qm2vX9tRb4Ls8Kd1Wn6";
/// The credential of every entry.
pub(crate) const STORED: &str = "sk-stored-Zx4Cv8Bn2Mq6";
pub(crate) const UNAUTHORIZED: &str = r#"{"status":"failure","message":"Portkey Error: Invalid API Key. Error Code: 03","error":{"message":"Portkey Error: Invalid API Key. Error Code: 03","code":"03"}}"#;

/// A directory that goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("gateway-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A gateway that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    directory: Directory,
}

impl Gateway {
    /// In required mode with [`KEY`]; `openai` is this provider.
    pub(crate) async fn required(upstream: &Upstream) -> Self {
        Self::start(&required(upstream)).await
    }

    pub(crate) async fn start(settings: &str) -> Self {
        Self::start_as(settings, &[], &[]).await
    }

    /// With further arguments and variables.
    pub(crate) async fn start_as(settings: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let directory = Directory::new();
        let file = directory.write("gateway.toml", settings);
        let mut command = command();
        command.arg("serve").arg("--config").arg(file).args(arguments).envs(variables.iter().copied());
        let mut child = command.spawn().expect("the binary runs");
        let said = Arc::default();
        collect(child.stderr.take().expect("its errors"), Arc::clone(&said));
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let line = soon(lines.next_line()).await.expect("its output").unwrap_or_default();
        let address = line.strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        let Some(address) = address else { panic!("it said {line:?} and {:?}", locked(&said)) };
        Self { address, child, said, directory }
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: impl AsRef<[u8]>) -> Message {
        self.connect().await.ask(request).await
    }

    pub(crate) fn rewrite(&self, settings: &str) {
        self.directory.write("gateway.toml", settings);
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs");
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().await.expect("a shell");
        assert!(sent.success());
    }

    /// How it ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        soon(self.child.wait()).await.expect("a status")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_none()
    }

    /// Every line on stderr so far.
    pub(crate) fn said(&self) -> Vec<String> {
        locked(&self.said).clone()
    }

    /// Waits until a line on stderr holds this text.
    pub(crate) async fn says(&self, text: &str) -> String {
        let found = async {
            loop {
                if let Some(line) = locked(&self.said).iter().find(|line| line.contains(text)) {
                    return line.clone();
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(SOON, found).await {
            Ok(line) => line,
            Err(_) => panic!("nothing about {text:?} in {:#?}", self.said()),
        }
    }

    /// Memory in use, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id().expect("it runs")));
        let status = status.expect("the system's own figures");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

fn command() -> Command {
    let mut command = Command::new(BINARY);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env_remove("RUST_LOG");
    command
}

fn collect(from: impl AsyncRead + Unpin + Send + 'static, to: Arc<Mutex<Vec<String>>>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            locked(&to).push(line);
        }
    });
}

/// Runs the binary to its end.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    let output = command().args(arguments).output();
    tokio::time::timeout(3 * SOON, output).await.expect("it ended").expect("the binary runs")
}

pub(crate) fn required(upstream: &Upstream) -> String {
    format!("{}\n[[keys]]\nid = \"ci\"\nkey = \"{KEY}\"\n", base("required", upstream))
}

/// Settings without keys.
pub(crate) fn base(mode: &str, upstream: &Upstream) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nmode = \"{mode}\"\nshutdown_grace_seconds = 1\n[upstream.base_url]\n\
         openai = \"http://{}/v1\"\n",
        upstream.address
    )
}

/// The header lines of a caller who may come in.
pub(crate) fn authorised() -> String {
    format!(
        "host: gateway.test\r\nx-portkey-api-key: {KEY}\r\nx-portkey-provider: openai\r\n\
         authorization: Bearer sk-provider\r\n"
    )
}

/// A chat request with further header lines.
pub(crate) fn chat(lines: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let (body, authorised) = (body.as_ref(), authorised());
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\n{authorised}{lines}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// An entry of the file.
pub(crate) fn entry(slug: &str, provider: &str, lines: &str) -> String {
    format!("[[providers]]\nslug = \"{slug}\"\nprovider = \"{provider}\"\napi_key = \"{STORED}\"\n{lines}\n")
}

/// A saved config of the file.
pub(crate) fn saved(id: &str, json: &str, lines: &str) -> String {
    format!("[[configs]]\nid = \"{id}\"\nconfig = '{json}'\n{lines}\n")
}

/// A chat request of [`KEY`]'s, with these header lines and no other.
pub(crate) fn by_key(lines: &str, body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\nx-portkey-api-key: {KEY}\r\n{lines}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}
