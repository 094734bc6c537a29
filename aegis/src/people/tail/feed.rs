//! Server-sent events, as far as the gateway uses them: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// Where to go on after it.
    pub(super) id: Option<String>,
    /// What kind it is.
    pub(super) event: String,
    /// What it says.
    pub(super) data: String,
}

/// Bytes in, events out, wherever the network cuts them.
#[derive(Debug, Default)]
pub(super) struct Feed {
    rest: Vec<u8>,
    message: Message,
}

impl Feed {
    /// The events that are complete with `chunk`.
    pub(super) fn take(&mut self, chunk: &[u8]) -> Vec<Message> {
        self.rest.extend_from_slice(chunk);
        let mut complete = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            complete.extend(self.line(line.trim_end_matches(['\r', '\n'])));
        }
        complete
    }

    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            return (!message.data.is_empty()).then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.message.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.message.event),
            "data" => {
                if !self.message.data.is_empty() {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            // A comment says that the connection lives.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_wherever_they_are_cut() {
        let text = ": hello\r\n\r\nid: 7\nevent: incident\ndata: {\"a\":\ndata: \"ü\"}\n\nretry: 5\n\nid:8\ndata:x\n\nid: 9\n";
        let message = |id: &str, event: &str, data: &str| Message {
            id: Some(id.to_owned()),
            event: event.to_owned(),
            data: data.to_owned(),
        };
        let expected = [
            message("7", "incident", "{\"a\":\n\"ü\"}"),
            message("8", "", "x"),
        ];
        for size in 1..text.len() {
            let mut feed = Feed::default();
            let found: Vec<Message> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| feed.take(chunk))
                .collect();
            assert_eq!(found, expected, "chunks of {size}");
        }
    }
}
