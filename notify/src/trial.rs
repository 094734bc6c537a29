//! A message to see whether a receiver is set up well.

use crate::channel::{Answer, Sent};
use crate::desk::{now, stations};
use crate::notice::Notice;
use crate::{Config, Error};

/// What came back from one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Its name.
    pub receiver: String,
    /// What kind it is.
    pub channel: &'static str,
    /// Why it did not take the message; none when it did.
    pub fault: Option<String>,
}

/// Sends a test message, and its end, to the receiver of that name, or to each.
///
/// # Errors
///
/// When there is no such receiver, or a secret cannot be read.
pub async fn try_out(config: &Config, only: Option<&str>) -> Result<Vec<Tried>, Error> {
    let stations = stations(config)?;
    if let Some(name) = only
        && !stations.contains_key(name)
    {
        return Err(Error::NoReceiver(name.to_owned()));
    }
    let mut tried = Vec::new();
    for (name, station) in &stations {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let began = now();
        let notice = Notice::of_test(began);
        let mut sent = Sent::default();
        let mut fault = None;
        for notice in [notice.clone(), notice.over(began)] {
            let Some(step) = station.channel().next(&notice, &sent, began) else {
                continue;
            };
            sent = step.then.clone();
            match station.send(&step.call).await {
                Answer::Taken(place) => sent.place = place.or(sent.place),
                Answer::Later { because, .. } | Answer::Never(because) => {
                    fault = Some(because);
                    break;
                }
                Answer::Gone => {
                    fault = Some("the message was gone at once".to_owned());
                    break;
                }
            }
        }
        tried.push(Tried {
            receiver: name.clone(),
            channel: station.channel().kind(),
            fault,
        });
    }
    Ok(tried)
}
