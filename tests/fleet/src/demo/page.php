<?php
header('Content-Type: text/plain');
$user = posix_getpwuid(posix_geteuid());
$database = new PDO('mysql:host=localhost;dbname=@DATABASE@', '@DATABASE@', '@PASSWORD@');
$line = $database->query('SELECT line FROM greeting LIMIT 1')->fetchColumn();
printf("PHP %s runs as %s (uid %d)\n", PHP_VERSION, $user['name'], posix_geteuid());
printf("%s reads: %s\n", '@DATABASE@', $line);
