//! HTTP byte by byte: what a client that looks closely sees of chunks and broken connections.

use std::collections::VecDeque;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::held::{Came, Mark, Sent, hold};
use super::limit::within;

/// One connection.
pub struct Raw {
    socket: BufReader<TcpStream>,
    /// Requests that were sent and are not answered so far.
    sent: VecDeque<Sent>,
}

/// What came next in a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A chunk.
    Chunk(String),
    /// The chunk of length 0 that ends the body cleanly.
    End,
    /// The connection closed before the end.
    Broken,
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        let socket =
            BufReader::new(within("a connection", TcpStream::connect(address)).await.unwrap());
        Self { socket, sent: VecDeque::new() }
    }

    /// Sends bytes as they are; they and what they are answered are held to no document.
    pub async fn send(&mut self, bytes: &[u8]) {
        within("room for the request", self.socket.get_mut().write_all(bytes)).await.unwrap();
    }

    /// Sends a POST of JSON with the demo account's key.
    pub async fn post(&mut self, path: &str, body: &serde_json::Value) {
        let headers = format!("x-api-key: {}\r\ncontent-type: application/json\r\n", super::KEY);
        self.request("POST", path, &headers, &body.to_string()).await;
    }

    /// Sends a request with these header lines, each with its line end, and a body.
    pub async fn request(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: mynah\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        self.sent.push_back(Sent {
            method: method.to_owned(),
            target: path.to_owned(),
            headers: pairs(headers.lines()),
            body: Some(body.as_bytes().to_vec()),
            mark: Mark::Ordinary,
        });
        self.send(format!("{head}{body}").as_bytes()).await;
    }

    /// Sends a head as it is, of which method and path are told, and the beginning of its body. Only
    /// the answer is held to the documents.
    pub async fn send_request_in_parts(
        &mut self,
        method: &str,
        path: &str,
        head: &str,
        body: &str,
    ) {
        let (method, target) = (method.to_owned(), path.to_owned());
        let (headers, mark) = (Vec::new(), Mark::Ordinary);
        self.sent.push_back(Sent { method, target, headers, body: None, mark });
        self.send(format!("{head}{body}").as_bytes()).await;
    }

    /// The head of the answer: status and the lines after it, in lower case. What comes behind it
    /// is held to no document.
    pub async fn head(&mut self) -> (u16, Vec<String>) {
        let (status, headers) = self.any_head().await;
        self.hold(status, &headers, None);
        (status, in_lower_case(&headers))
    }

    async fn any_head(&mut self) -> (u16, Vec<String>) {
        let status = self.line().await.expect("a status line");
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        while let Some(line) = self.line().await.filter(|line| !line.is_empty()) {
            headers.push(line);
        }
        (status, headers)
    }

    /// An answer of known length: status, the lines after it, and the body.
    pub async fn answer(&mut self) -> (u16, Vec<String>, String) {
        let (status, headers) = self.any_head().await;
        let lower = in_lower_case(&headers);
        let length = lower.iter().find_map(|line| line.strip_prefix("content-length: "));
        let body = self.body(length.map_or(0, |length| length.parse().unwrap())).await;
        self.hold(status, &headers, Some(&body));
        (status, lower, body)
    }

    fn hold(&mut self, status: u16, headers: &[String], body: Option<&str>) {
        if let Some(sent) = self.sent.pop_front() {
            let headers = pairs(headers.iter().map(String::as_str));
            hold(&sent, Came { status, headers: &headers, body: body.map(str::as_bytes) });
        }
    }

    /// The chunks of a stream that is answered with 200 and ends cleanly.
    pub async fn stream(&mut self) -> Vec<String> {
        let (status, _) = self.head().await;
        assert_eq!(status, 200);
        let mut chunks = Vec::new();
        loop {
            match self.next().await {
                Next::Chunk(chunk) => chunks.push(chunk),
                Next::End => return chunks,
                Next::Broken => panic!("the stream broke after {chunks:?}"),
            }
        }
    }

    /// The next chunk of the body.
    pub async fn next(&mut self) -> Next {
        let Some(length) = self.line().await else { return Next::Broken };
        let length = usize::from_str_radix(&length, 16).unwrap();
        let mut chunk = vec![0; length + 2];
        if within("a whole chunk", self.socket.read_exact(&mut chunk)).await.is_err() {
            return Next::Broken;
        }
        assert_eq!(chunk.split_off(length), b"\r\n");
        if length == 0 { Next::End } else { Next::Chunk(String::from_utf8(chunk).unwrap()) }
    }

    /// Everything until the connection closes, or what became of it instead.
    pub async fn rest(&mut self) -> std::io::Result<String> {
        let mut rest = String::new();
        within("the connection's end", self.socket.read_to_string(&mut rest)).await?;
        Ok(rest)
    }

    /// Everything until the connection ends, and whether that was a clean close.
    pub async fn until_closed(&mut self) -> (String, std::io::Result<()>) {
        let mut bytes = Vec::new();
        let end = self.socket.read_to_end(&mut bytes).await.map(|_| ());
        (String::from_utf8(bytes).unwrap(), end)
    }

    /// A body of known length.
    pub async fn body(&mut self, length: usize) -> String {
        let mut body = vec![0; length];
        within("a whole body", self.socket.read_exact(&mut body)).await.unwrap();
        String::from_utf8(body).unwrap()
    }

    /// One line; nothing when the connection has ended.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match within("a line of the answer", self.socket.read_line(&mut line)).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
        }
    }
}

fn in_lower_case(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.to_lowercase()).collect()
}

/// Header lines as name, in lower case, and value.
fn pairs<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(':').expect("a header");
        (name.to_lowercase(), value.trim().to_owned())
    };
    lines.map(pair).collect()
}
