"""64 clients at once on a licence of 100 seats, from empty, for 150 devices: exactly 100 are granted, whatever dies in between."""

import queue
import random
import threading
import time

from house import Customer, House, Lost, Wire

CLIENTS, SEATS, DEVICES = 64, 100, 150


def rush(house, customer, dice, kills):
    """Every device asks until it is answered; answers the devices that got a seat, and what else was said."""
    waiting, granted, refused, odd = queue.Queue(), [], [], []
    for number in range(DEVICES):
        waiting.put(f"crowd-device-{number:04}")

    def client(number):
        wire, own = Wire(house.kernel.port, customer.token), random.Random(f"{dice} {number}")
        while True:
            try:
                device = waiting.get_nowait()
            except queue.Empty:
                break
            key = f"{device}-{customer.name}-{own.random()}" if own.random() < 0.5 else None
            while True:
                try:
                    wire.connect()
                    wire.send("POST", "/api/v1/licenses/acquire", {"hardware_id": device, "license_id": customer.license}, key)
                    status, answer = wire.receive()
                except (OSError, Lost):
                    wire.close()
                    time.sleep(0.02)
                    continue
                if status == 200:
                    granted.append((device, answer["session_id"]))
                elif status == 429 and answer["error"] == "no_seats_available":
                    refused.append(device)
                elif status == 503:
                    continue
                else:
                    odd.append((device, status, answer))
                break
        wire.close()

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for _ in range(kills):
        time.sleep(random.Random(f"{dice} {kills}").uniform(0.02, 0.15))
        house.kernel.kill()
        house.start()
    for thread in threads:
        thread.join()
    return granted, refused, odd


def listed(house, customer):
    found, path = [], "/api/v1/sessions?limit=100"
    while path:
        page = house.kernel.want(200, "GET", path, token=customer.token).json
        found += [row["session_id"] for row in page["sessions"]]
        cursor = page.get("next_cursor")
        path = f"/api/v1/sessions?limit=100&cursor={cursor}" if cursor else None
    return found


def run(seed, rounds, tell):
    """Quiet rounds and rounds with kills, in turn; `tell(name, fault)`."""
    house = House().start()
    try:
        for number in range(rounds):
            customer = Customer(house, f"crowd{number}", SEATS, tier="pro", quantity=2)
            kills = number % 3
            granted, refused, odd = rush(house, customer, f"{seed} {number}", kills)
            live = listed(house, customer)
            fault = None
            if odd or len(granted) + len(refused) != DEVICES:
                fault = f"{len(granted)} granted, {len(refused)} refused, and {odd[:3]}"
            elif len(granted) != SEATS or len({session for _, session in granted}) != SEATS:
                fault = f"{len(granted)} granted of {SEATS} seats"
            elif sorted(live) != sorted(session for _, session in granted):
                fault = f"{len(live)} are listed, {len(granted)} were granted"
            tell(f"crowd of {CLIENTS}, seed {seed}, round {number}, {kills} kills", fault)
    finally:
        house.close()
