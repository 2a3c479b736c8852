"""What chats send us: presses of buttons."""
