use bytes::Bytes;
use futures_core::Stream;
use futures_util::TryStreamExt as _;
use http::header::ACCEPT;

use super::{Meta, Operation, Pipeline};
use crate::odata::Page;
use crate::{Cloud, Error, ErrorKind, Result};

/// Most pages followed of one list.
const MOST_PAGES: usize = 100_000;

impl Pipeline {
    /// The rows of a list, page after page as they are consumed. Links are followed byte for byte and only to the
    /// cloud's own host; an error ends the stream, a short list is never passed off as a whole one.
    pub fn rows<'a, O, T>(&'a self, operation: &'a O) -> impl Stream<Item = Result<T>> + Send + 'a
    where
        O: Operation<Output = Page<T>>,
        T: Send + 'a,
    {
        futures_util::stream::try_unfold(Step::First, move |step| self.page(operation, step)).try_flatten()
    }

    /// All rows of a list.
    ///
    /// # Errors
    /// As [`Pipeline::run`]; [`ErrorKind::Truncated`] when the list holds more than `at_most` rows.
    pub async fn list<O, T>(&self, operation: &O, at_most: usize) -> Result<Vec<T>>
    where
        O: Operation<Output = Page<T>>,
        T: Send,
    {
        let mut all = Vec::new();
        let mut rows = std::pin::pin!(self.rows(operation));
        while let Some(row) = rows.try_next().await? {
            if all.len() >= at_most {
                return Err(Error::new(
                    ErrorKind::Truncated,
                    format!("the list holds more than {at_most} rows"),
                )
                .with_operation(operation.meta().name));
            }
            all.push(row);
        }
        Ok(all)
    }

    async fn page<O, T>(&self, operation: &O, step: Step) -> Result<Option<(Rows<T>, Step)>>
    where
        O: Operation<Output = Page<T>>,
        T: Send,
    {
        let (page, last, count) = match step {
            Step::End => return Ok(None),
            Step::First => (self.run(operation).await?, None, 1),
            Step::Next { link, count } => {
                if count >= MOST_PAGES {
                    return Err(Error::new(
                        ErrorKind::Truncated,
                        format!("the list has more than {MOST_PAGES} pages"),
                    ));
                }
                let page = self.run(&Following { operation, link: &link }).await?;
                (page, Some(link), count + 1)
            }
        };
        let step = match page.next_link {
            Some(link) if last.as_ref() == Some(&link) => {
                return Err(Error::unreadable("the list's next page is the page itself")
                    .with_operation(operation.meta().name));
            }
            Some(link) => Step::Next { link, count },
            None => Step::End,
        };
        Ok(Some((futures_util::stream::iter(page.value.into_iter().map(Ok as fn(T) -> Result<T>)), step)))
    }
}

type Rows<T> = futures_util::stream::Iter<std::iter::Map<std::vec::IntoIter<T>, fn(T) -> Result<T>>>;

enum Step {
    First,
    Next { link: String, count: usize },
    End,
}

/// The same list at the place its last page named.
struct Following<'a, O> {
    operation: &'a O,
    link: &'a str,
}

impl<O: Operation> Operation for Following<'_, O> {
    type Output = O::Output;

    fn meta(&self) -> Meta<'_> {
        self.operation.meta()
    }

    fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
        let first = self.operation.request(cloud)?;
        let mut request = http::Request::get(self.link)
            .body(Bytes::new())
            .map_err(|e| Error::unreadable("the list's next page has no readable address").with_source(e))?;
        *request.headers_mut() = first.headers().clone();
        request
            .headers_mut()
            .entry(ACCEPT)
            .or_insert(const { http::HeaderValue::from_static("application/json") });
        Ok(request)
    }

    fn read(&self, response: http::Response<Bytes>) -> Result<Self::Output> {
        self.operation.read(response)
    }

    fn classify(&self, response: &http::Response<Bytes>, now: jiff::Timestamp) -> Result<()> {
        self.operation.classify(response, now)
    }

    fn body_limit(&self) -> usize {
        self.operation.body_limit()
    }
}
