//! HTTP byte by byte: chunks, and connections that break.

use std::collections::VecDeque;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::openapi::{Expectation, ReceivedResponse, SentRequest, check_exchange};
use super::timeout::within;

pub struct RawConnection {
    socket: BufReader<TcpStream>,
    /// Requests that are not answered yet and whose responses are to be checked.
    sent: VecDeque<SentRequest>,
}

/// What comes next in a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamEvent {
    Chunk(String),
    /// The chunk of length 0 that ends the body.
    End,
    /// The connection closed before the end.
    Broken,
}

/// The event of one chunk.
pub fn chunk(text: &str) -> StreamEvent {
    StreamEvent::Chunk(text.to_owned())
}

impl RawConnection {
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = within("a connection", TcpStream::connect(address)).await.unwrap();
        Self { socket: BufReader::new(socket), sent: VecDeque::new() }
    }

    /// Sends bytes. Neither they nor the response are checked against the OpenAPI documents.
    pub async fn send(&mut self, bytes: &[u8]) {
        within("room for the request", self.socket.get_mut().write_all(bytes)).await.unwrap();
    }

    /// Sends a POST of JSON with the demo account's key.
    pub async fn post(&mut self, path: &str, body: &serde_json::Value) {
        self.post_with_key(path, body, super::KEY).await;
    }

    /// Sends a POST of JSON.
    pub async fn post_with_key(&mut self, path: &str, body: &serde_json::Value, key: &str) {
        let headers = format!("x-api-key: {key}\r\ncontent-type: application/json\r\n");
        self.request("POST", path, &headers, &body.to_string()).await;
    }

    /// Sends a request with these header lines, each of which ends with CRLF, and a body.
    pub async fn request(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: mynah\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        self.sent.push_back(SentRequest {
            method: method.to_owned(),
            target: path.to_owned(),
            headers: header_pairs(headers.lines()),
            body: Some(body.as_bytes().to_vec()),
            expectation: Expectation::Documented,
        });
        self.send(format!("{head}{body}").as_bytes()).await;
    }

    /// Sends a whole head, to `method` and `path`, and the beginning of its body. Only the response is
    /// checked.
    pub async fn send_request_in_parts(
        &mut self,
        method: &str,
        path: &str,
        head: &str,
        body: &str,
    ) {
        self.sent.push_back(SentRequest {
            method: method.to_owned(),
            target: path.to_owned(),
            headers: Vec::new(),
            body: None,
            expectation: Expectation::Documented,
        });
        self.send(format!("{head}{body}").as_bytes()).await;
    }

    /// Reads the head of a response: the status and the header lines in lower case. The body after
    /// it is not checked.
    pub async fn head(&mut self) -> (u16, Vec<String>) {
        let (status, headers) = self.read_head().await;
        self.check(status, &headers, None);
        (status, in_lower_case(&headers))
    }

    async fn read_head(&mut self) -> (u16, Vec<String>) {
        let status = self.line().await.expect("a status line");
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        while let Some(line) = self.line().await.filter(|line| !line.is_empty()) {
            headers.push(line);
        }
        (status, headers)
    }

    /// Reads a response of known length: the status, the header lines in lower case, and the body.
    pub async fn response(&mut self) -> (u16, Vec<String>, String) {
        let (status, headers) = self.read_head().await;
        let lower = in_lower_case(&headers);
        let length = lower.iter().find_map(|line| line.strip_prefix("content-length: "));
        let body = self.body(length.map_or(0, |length| length.parse().unwrap())).await;
        self.check(status, &headers, Some(&body));
        (status, lower, body)
    }

    fn check(&mut self, status: u16, headers: &[String], body: Option<&str>) {
        if let Some(sent) = self.sent.pop_front() {
            let headers = header_pairs(headers.iter().map(String::as_str));
            let body = body.map(str::as_bytes);
            check_exchange(&sent, ReceivedResponse { status, headers: &headers, body });
        }
    }

    /// Reads a stream with status 200 up to its clean end; returns its chunks.
    pub async fn stream(&mut self) -> Vec<String> {
        let (status, _) = self.head().await;
        assert_eq!(status, 200);
        let mut chunks = Vec::new();
        loop {
            match self.next_event().await {
                StreamEvent::Chunk(chunk) => chunks.push(chunk),
                StreamEvent::End => return chunks,
                StreamEvent::Broken => panic!("the stream broke after {chunks:?}"),
            }
        }
    }

    pub async fn next_event(&mut self) -> StreamEvent {
        let Some(length) = self.line().await else { return StreamEvent::Broken };
        let length = usize::from_str_radix(&length, 16).unwrap();
        let mut chunk = vec![0; length + 2];
        if within("a whole chunk", self.socket.read_exact(&mut chunk)).await.is_err() {
            return StreamEvent::Broken;
        }
        assert_eq!(chunk.split_off(length), b"\r\n");
        if length == 0 {
            StreamEvent::End
        } else {
            StreamEvent::Chunk(String::from_utf8(chunk).unwrap())
        }
    }

    /// Everything until the connection is closed; an error if it is reset.
    pub async fn read_to_end(&mut self) -> std::io::Result<String> {
        let (text, end) = self.read_until_closed().await;
        end.map(|()| text)
    }

    /// Everything until the connection ends, and whether that was a clean close.
    pub async fn read_until_closed(&mut self) -> (String, std::io::Result<()>) {
        let mut bytes = Vec::new();
        let read = self.socket.read_to_end(&mut bytes);
        let end = within("the connection's end", read).await.map(|_| ());
        (String::from_utf8(bytes).unwrap(), end)
    }

    /// A body of known length.
    pub async fn body(&mut self, length: usize) -> String {
        let mut body = vec![0; length];
        within("a whole body", self.socket.read_exact(&mut body)).await.unwrap();
        String::from_utf8(body).unwrap()
    }

    /// One line; `None` when the connection has ended.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match within("a line of the response", self.socket.read_line(&mut line)).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
        }
    }
}

fn in_lower_case(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.to_lowercase()).collect()
}

/// Header lines as pairs of the name in lower case and the value.
fn header_pairs<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(':').expect("a header");
        (name.to_lowercase(), value.trim().to_owned())
    };
    lines.map(pair).collect()
}
