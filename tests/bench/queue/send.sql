select pgmq.send('plain', '{"sent": 1700000000000.5, "text": "a message as long as messages are"}');
