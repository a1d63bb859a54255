"""A USB printer and a serial converter on a kernel of their own: a receipt through usblp, a scanner that came back as ttyUSB1."""

import asyncio

import pytest

from devices.document import Cut, Document, Text
from devices.model import Health
from devices.testing.escpos_reader import EscposReader
from devices.testing.paper import PaperLine
from devices.testing.serial_line import VirtualSerialLine
from hub.api.selling.printing import PrintRequest
from tests.appliance.guest_hub import guest_hub, heard, is_scan
from tests.appliance.machine import Machine
from tests.appliance.plugs import GADGET, converter, gadget

pytestmark = pytest.mark.asyncio(loop_scope="session")
DOCUMENT = Document((Text("凍頂烏龍茶 Oolong"), Cut()))


async def test_a_receipt_comes_out_of_the_usb_printer(machine: Machine) -> None:
    section = '[devices.receipts]\nkind = "escpos_printer"\nusb = { vendor = "05e0" }\nconfirm = "none"\n'
    async with gadget(machine, "receipts", 0, "P1", "printer"), guest_hub(machine, section) as hub:
        await hub.reaches("receipts", Health.READY)
        printing = asyncio.create_task(machine.run(f"{GADGET} paper receipts 30"))
        job = await hub.till.print_document(PrintRequest("job-1", "receipts", DOCUMENT))
        paper = bytes.fromhex(await printing)
        assert job.printer_id == "receipts"
        assert any(
            isinstance(each, PaperLine) and "凍頂烏龍茶 Oolong" in each.text for each in EscposReader().feed(paper)
        )


async def test_a_serial_scanner_that_comes_back_under_another_name_is_found(machine: Machine) -> None:
    """A converter is plugged into the machine by qemu; another holds its name when it comes back."""
    section = '[devices.lane3]\nkind = "serial_scanner"\nusb = { vendor = "0403", product = "6001" }\n'
    async with VirtualSerialLine() as line, guest_hub(machine, section) as hub, converter(machine, line) as plug:
        await hub.reaches("lane3", Health.READY)
        await hub.till.claim("lane3")
        async with hub.till.events() as events:
            await line.write(b"4006381333931\r\n")
            await heard(events, is_scan("lane3", "4006381333931"))
            async with plug.name_taken():
                await plug.pull_out()
                await hub.reaches("lane3", Health.OFFLINE)
                await plug.put_in()
                await hub.reaches("lane3", Health.READY)
                assert "ttyUSB1" in await machine.run("ls /dev")
                await line.write(b"96385074\r\n")
                await heard(events, is_scan("lane3", "96385074"))
