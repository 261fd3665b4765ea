//! The judge as a child process.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use url::Url;

/// Longest time until it must listen.
const READY: Duration = Duration::from_secs(30);

/// A running server. It dies with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: Url,
}

impl Server {
    pub(crate) async fn start(script: &str, settings: &Value) -> Result<Self, String> {
        let mut child = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| format!("node: {e}"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.as_mut(), child.stdout.take()) else {
            return Err("node has no pipes".to_owned());
        };
        stdin.write_all(format!("{settings}\n").as_bytes()).await.map_err(|e| e.to_string())?;
        let mut line = String::new();
        let mut reader = BufReader::new(stdout);
        tokio::time::timeout(READY, reader.read_line(&mut line))
            .await
            .map_err(|_| "the server does not listen".to_owned())?
            .map_err(|e| e.to_string())?;
        let told: Value =
            serde_json::from_str(&line).map_err(|_| "the server ended before it listened".to_owned())?;
        let url = super::at(&told, "url").as_str().unwrap_or_default();
        Ok(Self { url: url.parse().map_err(|_| format!("no address: {url}"))?, child })
    }

    pub(crate) async fn stop(mut self) {
        // It ends with its standard input; what does not end is killed with the value.
        drop(self.child.stdin.take());
        let _ended = tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await;
    }
}
