use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// A server that answers every request of every connection with 200 and 1 kB, as cheaply as it can: on a thread of its
/// own, which is not counted.
#[derive(Clone, Debug)]
pub struct Loopback {
    /// Its address.
    pub url: url::Url,
}

impl Loopback {
    /// Starts it; it ends with the process.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { url: format!("http://127.0.0.1:{port}/").parse().expect("a URL") }
    }
}

fn serve(mut stream: TcpStream) {
    let body = "x".repeat(1024);
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        seen.extend_from_slice(&chunk[..read]);
        // Requests have no body and are not pipelined.
        if seen.ends_with(b"\r\n\r\n") {
            seen.clear();
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}
