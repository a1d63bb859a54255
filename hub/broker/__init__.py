"""The embedded MQTT broker: amqtt in the hub's own process, for the demo and the smallest shops; mosquitto in production.

Nothing here survives a restart, and one message costs the hub several times what mosquitto would take. What it adds to amqtt:

- the door: a connection is amqtt's only after its CONNECT was read, bounded in size and time, and its password proved.
  (amqtt takes a session over before it asks who takes it.) Accounts are the hub's paired devices (MQTT user name = the
  client id that pairing gave, password = the token) and the [mqtt] account of the hub's own drivers.
- rights: a device publishes below store/<store>/ and hears nothing; the [mqtt] account does both there.
- bounds: of a packet, of connections, of messages a second and on their way: beyond them no publisher is read further.
- an end: amqtt acknowledges what it has not handed on, and forgets it when its client hangs up; here the end waits for it.
- what a session had not acknowledged when it ended is kept, as what comes while it is away; amqtt forgets it.
- messages kept for a session that was away go out as what they are, and before newer ones; amqtt marks them `retained`, which
  is a last known state, and mixes them with what comes in.

amqtt is imported when a broker is configured (16 MiB, 0.17 s). Source: amqtt 0.12; tests/hub/test_broker.py pins what is used.
"""
