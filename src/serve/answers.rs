//! Writes messages to stdout, one per line.

use std::io;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::SinkExt as _;
use rmcp::RoleServer;
use rmcp::model::{JsonRpcMessage, ServerResult};
use rmcp::service::TxJsonRpcMessage;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use tokio::io::AsyncWrite;
use tokio::sync::Mutex;
use tokio_util::codec::{Encoder, FramedWrite};

use crate::mcp::text_of_list;

/// The output. A message whose future is dropped is still written as a whole. A handle: cloning is cheap.
#[derive(Debug)]
pub(super) struct Answers<W>(Arc<Mutex<Option<FramedWrite<W, Codec>>>>);

impl<W> Clone for Answers<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> Answers<W> {
    pub(super) fn new(output: W) -> Self {
        Self(Arc::new(Mutex::new(Some(FramedWrite::new(output, Codec)))))
    }

    /// Writes a message.
    pub(super) fn send(
        &self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + use<W> {
        let output = Arc::clone(&self.0);
        async move {
            match output.lock().await.as_mut() {
                Some(output) => output.send(message).await,
                None => Err(io::ErrorKind::NotConnected.into()),
            }
        }
    }

    /// Writes a text as a line.
    pub(super) fn send_text(&self, text: String) -> impl Future<Output = io::Result<()>> + Send + use<W> {
        let output = Arc::clone(&self.0);
        async move {
            match output.lock().await.as_mut() {
                Some(output) => output.send(Bytes::from(text)).await,
                None => Err(io::ErrorKind::NotConnected.into()),
            }
        }
    }

    /// Closes the output. Later messages are dropped.
    pub(super) async fn close(&self) {
        self.0.lock().await.take();
    }
}

#[derive(Debug)]
struct Codec;

impl Encoder<TxJsonRpcMessage<RoleServer>> for Codec {
    type Error = io::Error;

    fn encode(&mut self, message: TxJsonRpcMessage<RoleServer>, line: &mut BytesMut) -> io::Result<()> {
        put(message, line)?;
        line.put_u8(b'\n');
        Ok(())
    }
}

impl Encoder<Bytes> for Codec {
    type Error = io::Error;

    fn encode(&mut self, text: Bytes, line: &mut BytesMut) -> io::Result<()> {
        line.put(text);
        line.put_u8(b'\n');
        Ok(())
    }
}

/// A message as it is sent.
pub(super) fn text_of(message: TxJsonRpcMessage<RoleServer>) -> io::Result<String> {
    let mut text = BytesMut::new();
    put(message, &mut text)?;
    String::from_utf8(text.into()).map_err(io::Error::other)
}

fn put(mut message: TxJsonRpcMessage<RoleServer>, line: &mut BytesMut) -> io::Result<()> {
    let tools = match &mut message {
        JsonRpcMessage::Response(response) => match &mut response.result {
            ServerResult::ListToolsResult(list) => text_of_list(list),
            _ => None,
        },
        _ => None,
    };
    match tools {
        Some(tools) => put_list(&serde_json::to_string(&message)?, &tools, line),
        None => serde_json::to_writer(line.writer(), &Line(&message))?,
    }
    Ok(())
}

/// Writes the response to `tools/list`, whose list is empty, with these tools in it.
fn put_list(response: &str, tools: &str, line: &mut BytesMut) {
    const NAME: &str = "\"tools\":";
    let (before, after) = response.split_once("\"tools\":[]").unwrap_or((response, ""));
    line.reserve(response.len().saturating_add(tools.len()));
    for part in [before, NAME, tools, after] {
        line.put_slice(part.as_bytes());
    }
}

/// A message on the wire.
struct Line<'a>(&'a TxJsonRpcMessage<RoleServer>);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            // An error for no known request has the id null (JSON-RPC 2.0, section 5). rmcp leaves it out.
            JsonRpcMessage::Error(error) if error.id.is_none() => {
                let mut fields = serializer.serialize_map(Some(3))?;
                fields.serialize_entry("jsonrpc", "2.0")?;
                fields.serialize_entry("id", &())?;
                fields.serialize_entry("error", &error.error)?;
                fields.end()
            }
            message => message.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use rmcp::ErrorData;
    use rmcp::model::RequestId;

    use super::*;

    #[tokio::test]
    async fn each_message_is_a_line_and_an_error_for_no_known_request_has_the_id_null() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let answers = Answers::new(ours);
        for id in [None, Some(RequestId::Number(7))] {
            answers.send(JsonRpcMessage::error(ErrorData::parse_error("no", None), id)).await.unwrap();
        }
        answers.close().await;
        let error = ErrorData::parse_error("no", None);
        assert!(answers.send(JsonRpcMessage::error(error, None)).await.is_err());
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut theirs, &mut text).await.unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].as_object().unwrap().contains_key("id") && lines[0]["id"].is_null(), "{text}");
        assert_eq!((&lines[1]["id"], &lines[0]["jsonrpc"]), (&7.into(), &"2.0".into()));
    }
}
