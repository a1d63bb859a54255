"""What a till of the demo asks beside selling: quotes, people, drawers, members, coupons, papers, orders; as hub.client does."""

from urllib.parse import quote

from hub.api.attached.counter_top import DisplayText, Done
from hub.api.day.drawer_sessions import Closed, CloseRequest, SessionList
from hub.api.orders.orders import OrderPage, OrderScanAnswer, OrderScanRequest, OrderStepAnswer, OrderStepRequest
from hub.api.people.coupons import IssueAnswer, IssueRequest
from hub.api.people.members import MemberAnswer
from hub.api.staff.cashiers import CashierList, SignInAnswer, SignInRequest
from hub.api.staff.persons import SESSION_HEADER
from hub.api.stock.documents import DocumentAnswer, DocumentRequest
from hub.attached.weight_view import WeightView
from hub.client import HubClient, new_id
from hub.store.catalogue.quotes import Quote, QuoteRequest
from hub.store.day.drawers import SessionView, XReport
from hub.store.orders.order_views import OrderView
from hub.store.people.member_requests import Enrolment
from hub.store.staff.cashiers import CashierView
from sync.retail.orders.orders import OrderState
from sync.retail.selling.drawers import Opening as DrawerOpening


class TillClient(HubClient):
    """One till's view of the hub, and of whoever has signed in by it (`person`: their session)."""

    person = ""

    async def quote(self, request: QuoteRequest) -> Quote:
        """Return what a basket comes to now."""
        return await self._call("POST", "/v1/quotes", Quote, body=request)

    async def cashiers(self) -> list[CashierView]:
        """Return the cashiers of the store."""
        return (await self._call("GET", "/v1/cashiers", CashierList)).items

    @property
    def is_signed_in(self) -> bool:
        """Whether somebody has signed in by this client."""
        return bool(self.person)

    async def sign_in(self, number: str, pin: str) -> SignInAnswer:
        """Sign a cashier in at this till; from here on the client is that person there."""
        request = SignInRequest(pin=pin, number=number)
        answer = await self._call("POST", "/v1/cashiers/sign-in", SignInAnswer, body=request)
        self.person = answer.session
        return answer

    async def drawer_session(self) -> SessionView | None:
        """Return this till's drawer session, None while its drawer is closed."""
        page = await self._call("GET", "/v1/drawer-sessions", SessionList, query={"till_id": self.till_id})
        return page.items[0] if page.items else None

    async def open_drawer_session(self, opening: DrawerOpening) -> SessionView:
        """Open this till's drawer with a float."""
        return await self._call("POST", "/v1/drawer-sessions", SessionView, body=opening)

    async def close_drawer_session(self, session_id: str, count: CloseRequest) -> Closed:
        """Close a session by a blind count; return the Z report."""
        path = f"/v1/drawer-sessions/{quote(session_id, safe='')}/close"
        return await self._call("POST", path, Closed, body=count)

    async def x_report(self, session_id: str) -> XReport:
        """Return how an open session stands."""
        return await self._call("GET", f"/v1/drawer-sessions/{quote(session_id, safe='')}/x-report", XReport)

    async def book_document(self, document: DocumentRequest) -> DocumentAnswer:
        """Book a delivery, a transfer or an adjustment."""
        return await self._call("POST", "/v1/stock/documents", DocumentAnswer, body=document)

    async def enrol_member(self, enrolment: Enrolment) -> MemberAnswer:
        """Enrol a member."""
        return await self._call("POST", "/v1/members", MemberAnswer, body=enrolment)

    async def issue_coupon(self, request: IssueRequest) -> IssueAnswer:
        """Give somebody the next serial of an instant coupon."""
        return await self._call("POST", "/v1/coupons/issues", IssueAnswer, body=request)

    async def orders(self, state: OrderState) -> list[OrderView]:
        """Return the orders in a state, by id."""
        return (await self._call("GET", "/v1/orders", OrderPage, query={"state": state, "limit": "200"})).items

    async def weight(self, device_id: str) -> WeightView:
        """Return what a scale shows now."""
        return await self._call("GET", f"/v1/devices/{quote(device_id, safe='')}/weight", WeightView)

    async def show(self, device_id: str, *lines: str) -> None:
        """Show lines on a customer display; none clears it."""
        await self._call("PUT", f"/v1/devices/{quote(device_id, safe='')}/text", Done, body=DisplayText(list(lines)))

    async def step(self, order_id: str, step: OrderStepRequest) -> OrderView:
        """Take an order's next step."""
        path = f"/v1/orders/{quote(order_id, safe='')}/steps"
        return (await self._call("POST", path, OrderStepAnswer, body=step)).order

    async def scan_for(self, order_id: str, label: str) -> OrderScanAnswer:
        """Put what was scanned into an order's parcel."""
        path = f"/v1/orders/{quote(order_id, safe='')}/scans"
        return await self._call("POST", path, OrderScanAnswer, body=OrderScanRequest(new_id(), label))

    @property
    def _headers(self) -> dict[str, str]:
        person = {SESSION_HEADER: self.person} if self.person else {}
        return {**super()._headers, **person}
