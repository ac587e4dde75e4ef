use std::{
    io::{self, IoSlice},
    iter,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{problem::Problem, server::default_headers};

/// A connection that replaces hyper's empty refusals by problem documents. hyper itself answers an
/// unreadable request head (400), an address that is too long (414) and too many headers (431),
/// bypassing every layer and without a body; then it closes the connection. Our own responses are
/// recognized by their `content-type`.
pub(crate) struct Refusing<S> {
    stream: S,
    /// The document that replaces a refusal; `written` counts the bytes already sent.
    held: Vec<u8>,
    written: usize,
}

impl<S> Refusing<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            held: Vec::new(),
            written: 0,
        }
    }
}

impl<S: AsyncWrite + Unpin> Refusing<S> {
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self
            .held
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        Poll::Ready(Ok(()))
    }

    /// Replaces a refusal by its document; the part that cannot be written now is written on flush.
    fn poll_refusal(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<Option<io::Result<usize>>> {
        if let Err(error) = ready!(self.poll_held(cx)) {
            return Poll::Ready(Some(Err(error)));
        }
        let Some(document) = document(buffer) else {
            return Poll::Ready(None);
        };
        (self.held, self.written) = (document, 0);
        Poll::Ready(Some(match self.poll_held(cx) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(buffer.len()),
        }))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Refusing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Refusing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(self.poll_refusal(cx, buffer)) {
            Some(taken) => Poll::Ready(taken),
            None => Pin::new(&mut self.stream).poll_write(cx, buffer),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // the head of a response without a body is written alone
        let head = buffers.iter().find(|buffer| !buffer.is_empty());
        match ready!(self.poll_refusal(cx, head.map_or(&[][..], |head| head))) {
            Some(taken) => Poll::Ready(taken),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The problem document that replaces an empty refusal; `None` for any other response.
fn document(answer: &[u8]) -> Option<Vec<u8>> {
    let line = answer.strip_prefix(b"HTTP/1.1 ")?;
    let status = StatusCode::from_bytes(line.get(..3)?).ok()?;
    let refused = matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    if !refused || !answer.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(answer).ok()?;
    let mut lines = head.lines();
    let first = lines.next()?;
    let named = |name: &str, line: &str| {
        let known = line.split_once(':').map(|(known, _)| known);
        known.is_some_and(|known| known.eq_ignore_ascii_case(name))
    };
    if lines.clone().any(|line| named("content-type", line)) {
        return None;
    }
    let date = lines.find(|line| named("date", line));
    let body = Problem::of_status(status).body();
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    default_headers(&mut headers);
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()));
    let lines: Vec<_> = iter::once(first.to_owned())
        .chain(headers)
        .chain(date.map(str::to_owned))
        .collect();
    let head = format!("{}\r\n\r\n", lines.join("\r\n"));
    Some([head.into_bytes(), body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_refusal_is_replaced() {
        for answer in [
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad",
            "400",
            "",
        ] {
            assert_eq!(document(answer.as_bytes()), None, "{answer}");
        }
        let empty = b"HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\ndate: now\r\n\r\n";
        let said = String::from_utf8(document(empty).unwrap()).unwrap();
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 Too Large\r\n"), "{head}");
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
        assert!(head.ends_with("date: now"), "{head}");
        assert!(body.contains("\"status\":431"), "{body}");
    }
}
